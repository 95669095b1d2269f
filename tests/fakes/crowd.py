"""Clients that go on whatever happens to the server, each at its own work.

class Reading(Works):                    # some works, and what the server has acknowledged of them
    @property
    def works(self): return (self.read,)
    def read(self, client): self.ok(client.get("/models"))

Crowd(server, Reading()).run(kill)       # all of them at the same time, until `kill` has returned
"""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.fakes.engine import KEY
from tests.fakes.killable import Killable

Work = Callable[[httpx.Client], None]


def client_of(server: Killable) -> httpx.Client:
    """One that carries the key."""
    return httpx.Client(base_url=server.base_url, headers={"authorization": f"Bearer {KEY}"}, timeout=20)


def ok(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


class Works(ABC):
    """Some kinds of work that belong together."""

    def __init__(self) -> None:
        self.num_answers = 0

    @property
    @abstractmethod
    def works(self) -> Sequence[Work]:
        """Each is repeated by a client of its own. `httpx.TransportError` ends it: the server has been killed."""
        ...

    def ok(self, response: httpx.Response) -> Any:
        """The answer, which is counted."""
        self.num_answers += 1
        return ok(response)


class Crowd:
    """All who work on one server."""

    def __init__(self, server: Killable, *groups: Works) -> None:
        self._server, self._groups = server, groups
        self._is_over = threading.Event()

    @property
    def num_answers(self) -> int:
        return sum(group.num_answers for group in self._groups)

    def run(self, kill: Callable[[], None]) -> None:
        """Until `kill` has returned; then each client ends what it is at."""
        works = [work for group in self._groups for work in group.works]
        with ThreadPoolExecutor(len(works)) as pool:
            ends = [pool.submit(self._repeat, work) for work in works]
            try:
                kill()
            finally:
                self._is_over.set()
            for end in ends:
                end.result()

    def _repeat(self, work: Work) -> None:
        while not self._is_over.is_set():
            try:
                with client_of(self._server) as client:
                    while not self._is_over.is_set():
                        work(client)
            except httpx.TransportError:
                time.sleep(0.005)  # killed; soon there is another one

    def kill_often(self, times: int, seed: int) -> Callable[[], None]:
        """Each time after a few answers, which a busy machine takes longer to give, and a moment."""
        choice = random.Random(seed)

        def kill() -> None:
            for _ in range(times):
                enough, latest = self.num_answers + choice.randrange(1, 20), time.monotonic() + 60
                while self.num_answers < enough:
                    assert time.monotonic() < latest, "the clients get no answers"
                    time.sleep(0.001)
                time.sleep(choice.uniform(0, 0.05))
                self._server.kill()
                self._server.start()

        return kill

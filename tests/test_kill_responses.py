"""kill -9 at random moments while clients ask for responses: what was acknowledged is there, what was queued is made or
has failed with a reason, nothing is made twice, and chains and conversations hold together.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from owngpt.service.responses.background import LOST
from owngpt.store.opening import open_database
from tests.conftest import TEMPLATE
from tests.fakes.crowd import Crowd, Work, Works, client_of, ok
from tests.fakes.killable import Killable
from tests.test_kill import KILLS

ENDED = ("completed", "failed")


@dataclass
class Book:
    """What the server has acknowledged."""

    whole: dict[str, Any] = field(default_factory=dict)  # id -> the response
    queued: list[str] = field(default_factory=list)
    talks: dict[str, int] = field(default_factory=dict)  # conversation -> turns that were answered


class Asking(Works):
    """Responses that follow each other, in the background, and in conversations."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()

    @property
    def works(self) -> Sequence[Work]:
        return self._chain, self._background, self._talk

    def _chain(self, client: httpx.Client) -> None:
        """Each response follows the last one; half of them are streamed."""
        last = next(reversed(self.book.whole), None)
        body = {"input": "x", "previous_response_id": last if len(self.book.whole) % 10 else None}
        if random.random() < 0.5:
            response = self.ok(client.post("/responses", json=body))
        else:
            text = client.post("/responses", json={**body, "stream": True}).text
            if "response.completed" not in text:
                return
            response = json.loads(text.split("event: response.completed\ndata: ")[1].split("\n")[0])["response"]
            self.num_answers += 1
        self.book.whole[response["id"]] = response

    def _background(self, client: httpx.Client) -> None:
        queued = self.ok(client.post("/responses", json={"input": "x", "background": True}))
        self.book.queued.append(queued["id"])
        time.sleep(0.01)

    def _talk(self, client: httpx.Client) -> None:
        talk = self.ok(client.post("/conversations", json={}))["id"]
        self.book.talks[talk] = 0
        for _ in range(3):
            self.ok(client.post("/responses", json={"input": "x", "conversation": talk}))
            self.book.talks[talk] += 1


def check_whole(client: httpx.Client, book: Book) -> None:
    """They are as they were answered, and can be followed."""
    for response_id, response in book.whole.items():
        assert ok(client.get(f"/responses/{response_id}")) == response
    last = next(reversed(book.whole))
    assert ok(client.post("/responses", json={"input": "x", "previous_response_id": last}))["status"] == "completed"


def check_queued(client: httpx.Client, book: Book) -> set[str]:
    """Each ends; where it fails it says that the server has died meanwhile. Its events tell the same, once each."""
    seen = set()
    for response_id in book.queued:
        latest = time.monotonic() + 60
        while (response := ok(client.get(f"/responses/{response_id}")))["status"] not in ENDED:
            assert time.monotonic() < latest, response
            time.sleep(0.05)
        if response["status"] == "failed":
            assert response["error"]["message"] == LOST
        else:
            assert response["output"][0]["content"][0]["text"] == "Hello!"
        text = client.get(f"/responses/{response_id}?stream=true").text
        numbers = [json.loads(line[6:])["sequence_number"] for line in text.splitlines() if line.startswith("data: {")]
        assert numbers == list(range(len(numbers)))
        seen.add(response["status"])
    return seen


def check_talks(client: httpx.Client, book: Book) -> None:
    """Turns are there with their answers; one more than was acknowledged may have been written."""
    for talk, turns in book.talks.items():
        items = ok(client.get(f"/conversations/{talk}/items?order=asc&limit=100"))["data"]
        roles = [item["role"] for item in items]
        assert roles in (["user", "assistant"] * turns, ["user", "assistant"] * (turns + 1))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_response_is_lost(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = None
    if kind == "postgresql":
        url = request.getfixturevalue("postgresql_server").new_database(TEMPLATE)
    with Killable(tmp_path, database=url) as server:
        asking = Asking()
        crowd = Crowd(server, asking)
        crowd.run(crowd.kill_often(max(2, KILLS // 2), seed=2))
        book = asking.book
        assert len(book.whole) > 0
        assert len(book.queued) > 0
        with client_of(server) as client:
            check_whole(client, book)
            check_talks(client, book)
            assert "completed" in check_queued(client, book)
        server.stop()
    database = open_database(tmp_path, url)
    assert database.read("SELECT * FROM response_jobs") == []
    database.close()

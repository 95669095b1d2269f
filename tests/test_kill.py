"""kill -9 at random moments while clients upload and order batches: nothing that was acknowledged is lost, nothing
that has ended runs twice, and the database opens clean. `OWNGPT_TEST_KILLS=300` kills more often.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from owngpt.store.db import Database
from owngpt.store.opening import open_database
from tests.conftest import TEMPLATE
from tests.fakes.engine import KEY
from tests.fakes.killable import Killable

KILLS = int(os.environ.get("OWNGPT_TEST_KILLS", "10"))
CHAT = "/v1/chat/completions"


@dataclass
class Book:
    """What the server has acknowledged."""

    files: dict[str, bytes] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)  # a deletion was sent; nobody knows what became of it
    batches: dict[str, int] = field(default_factory=dict)  # how many lines each has


class Clients:
    """Three clients that go on, whatever happens to the server."""

    def __init__(self, server: Killable, seed: int) -> None:
        self._server, self._random = server, random.Random(seed)
        self._is_over = threading.Event()
        self.num_answers = 0
        self.book = Book()

    def run(self, kill: Callable[[], None]) -> None:
        """Until `kill` has returned; then each client ends what it is at."""
        with ThreadPoolExecutor(3) as pool:
            works = [pool.submit(self._repeat, work) for work in (self._files, self._uploads, self._batches)]
            try:
                kill()
            finally:
                self._is_over.set()
            for work in works:
                work.result()

    def _repeat(self, work: Callable[[httpx.Client], None]) -> None:
        while not self._is_over.is_set():
            headers = {"authorization": f"Bearer {KEY}"}
            try:
                with httpx.Client(base_url=self._server.base_url, headers=headers, timeout=20) as client:
                    while not self._is_over.is_set():
                        work(client)
            except httpx.TransportError:
                time.sleep(0.005)  # killed; soon there is another one

    def _files(self, client: httpx.Client) -> None:
        file_id = self._create(client, self._random.randbytes(self._random.choice([10, 1000, 300_000])))
        if self._random.random() < 0.3:
            self.book.touched.add(file_id)
            assert self._ok(client.delete(f"/files/{file_id}"))["deleted"]
            self.book.deleted.add(file_id)

    def _uploads(self, client: httpx.Client) -> None:
        content = self._random.randbytes(100_000)
        body = {"filename": "big", "bytes": len(content), "purpose": "assistants", "mime_type": "text/plain"}
        upload = self._ok(client.post("/uploads", json=body))["id"]
        parts = [
            self._ok(client.post(f"/uploads/{upload}/parts", files={"data": ("part", content[i : i + 40_000])}))["id"]
            for i in range(0, len(content), 40_000)
        ]
        done = self._ok(client.post(f"/uploads/{upload}/complete", json={"part_ids": parts}))
        self.book.files[done["file"]["id"]] = content

    def _batches(self, client: httpx.Client) -> None:
        number = self._random.randrange(1, 10)
        body = {"messages": [{"role": "user", "content": "x"}]}
        lines = [{"custom_id": f"{i}", "method": "POST", "url": CHAT, "body": body} for i in range(number)]
        file_id = self._create(client, "\n".join(map(json.dumps, lines)).encode(), "batch")
        order = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}
        self.book.batches[self._ok(client.post("/batches", json=order))["id"]] = number
        time.sleep(self._random.uniform(0.1, 0.3))

    def _create(self, client: httpx.Client, content: bytes, purpose: str = "assistants") -> str:
        made = self._ok(client.post("/files", files={"file": ("f", content)}, data={"purpose": purpose}))
        self.book.files[made["id"]] = content
        return str(made["id"])

    def _ok(self, response: httpx.Response) -> Any:
        self.num_answers += 1
        return ok(response)


def ok(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def kill_often(server: Killable, clients: Clients, times: int, seed: int) -> Callable[[], None]:
    """Each time after a few answers, which a busy machine takes longer to give, and a moment."""
    choice = random.Random(seed)

    def kill() -> None:
        for _ in range(times):
            enough, latest = clients.num_answers + choice.randrange(10), time.monotonic() + 60
            while clients.num_answers < enough:
                assert time.monotonic() < latest, "the clients get no answers"
                time.sleep(0.001)
            time.sleep(choice.uniform(0, 0.05))
            server.kill()
            server.start()

    return kill


def check_files(client: httpx.Client, book: Book) -> None:
    """Every acknowledged file has its bytes, unless its deletion was sent; those that were deleted are gone."""
    for file_id, content in book.files.items():
        answer = client.get(f"/files/{file_id}/content")
        if file_id in book.deleted:
            assert answer.status_code == 404
        elif file_id not in book.touched or answer.status_code != 404:
            assert answer.status_code == 200, answer.text
            assert answer.content == content


def check_batches(client: httpx.Client, book: Book) -> None:
    """Every batch that was acknowledged ends, and each of its lines has one answer."""
    for batch_id, number in book.batches.items():
        while (batch := ok(client.get(f"/batches/{batch_id}")))["status"] != "completed":
            assert batch["status"] in ("validating", "in_progress", "finalizing"), batch
            time.sleep(0.02)
        assert batch["request_counts"] == {"total": number, "completed": number, "failed": 0}
        output = client.get(f"/files/{batch['output_file_id']}/content").text.splitlines()
        assert [json.loads(line)["custom_id"] for line in output] == [f"{i}" for i in range(number)]


def check_database(database: Database, book: Book) -> None:
    """Each line was paid for once, and nothing is left of what is over."""
    lines = database.read("SELECT request_id, output_tokens FROM usage_events")
    assert sum(book.batches.values()) <= len(lines)
    assert max(Counter(line["request_id"] for line in lines).values()) == 1
    assert {line["output_tokens"] for line in lines} == {6}
    assert database.read("SELECT * FROM batch_lines") == []


def check_blobs(database: Database, folder: Path) -> None:
    """Each row finds its bytes, whole; there are no others."""
    rows = database.read("SELECT sha256 FROM files UNION SELECT sha256 FROM upload_parts")
    named = {row["sha256"] for row in rows}
    there = {path.name: path for path in (folder / "files").glob("??/*")}
    assert set(there) == named
    for sha256, path in there.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nothing_acknowledged_is_lost(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url, kills = None, KILLS if kind == "sqlite" else KILLS // 2
    if kind == "postgresql":
        url = request.getfixturevalue("postgresql_server").new_database(TEMPLATE)
    with Killable(tmp_path, database=url) as server:
        clients = Clients(server, seed=1)
        clients.run(kill_often(server, clients, kills, seed=2))
        book = clients.book
        assert len(book.files) > kills / 2
        assert len(book.batches) > 0
        headers = {"authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=server.base_url, headers=headers, timeout=20) as client:
            check_batches(client, book)
            check_files(client, book)
        server.stop()
        server.start()  # what the last crash has left is collected
        server.stop()
    database = open_database(tmp_path, url)
    check_database(database, book)
    check_blobs(database, tmp_path)
    database.close()
    if kind == "sqlite":
        with sqlite3.connect(tmp_path / "owngpt.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()

"""kill -9 at random moments while clients upload and order batches: nothing that was acknowledged is lost, nothing
that has ended runs twice, and the database opens clean. `OWNGPT_TEST_KILLS=300` kills more often.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from owngpt.store.db import Database
from owngpt.store.opening import open_database
from tests.conftest import TEMPLATE
from tests.fakes.crowd import Crowd, Work, Works, client_of, ok
from tests.fakes.killable import Killable

KILLS = int(os.environ.get("OWNGPT_TEST_KILLS", "4"))
CHAT = "/v1/chat/completions"


@dataclass
class Book:
    """What the server has acknowledged."""

    files: dict[str, bytes] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)  # a deletion was sent; nobody knows what became of it
    batches: dict[str, int] = field(default_factory=dict)  # how many lines each has


class Storing(Works):
    """Files, uploads and batches."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self.book = Book()

    @property
    def works(self) -> Sequence[Work]:
        return self._files, self._uploads, self._batches

    def _files(self, client: httpx.Client) -> None:
        file_id = self._create(client, self._random.randbytes(self._random.choice([10, 1000, 300_000])))
        if self._random.random() < 0.3:
            self.book.touched.add(file_id)
            assert self.ok(client.delete(f"/files/{file_id}"))["deleted"]
            self.book.deleted.add(file_id)

    def _uploads(self, client: httpx.Client) -> None:
        content = self._random.randbytes(100_000)
        body = {"filename": "big", "bytes": len(content), "purpose": "assistants", "mime_type": "text/plain"}
        upload = self.ok(client.post("/uploads", json=body))["id"]
        parts = [
            self.ok(client.post(f"/uploads/{upload}/parts", files={"data": ("part", content[i : i + 40_000])}))["id"]
            for i in range(0, len(content), 40_000)
        ]
        done = self.ok(client.post(f"/uploads/{upload}/complete", json={"part_ids": parts}))
        self.book.files[done["file"]["id"]] = content

    def _batches(self, client: httpx.Client) -> None:
        number = self._random.randrange(1, 10)
        body = {"messages": [{"role": "user", "content": "x"}]}
        lines = [{"custom_id": f"{i}", "method": "POST", "url": CHAT, "body": body} for i in range(number)]
        file_id = self._create(client, "\n".join(map(json.dumps, lines)).encode(), "batch")
        order = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}
        self.book.batches[self.ok(client.post("/batches", json=order))["id"]] = number
        time.sleep(self._random.uniform(0.1, 0.3))

    def _create(self, client: httpx.Client, content: bytes, purpose: str = "assistants") -> str:
        made = self.ok(client.post("/files", files={"file": ("f", content)}, data={"purpose": purpose}))
        self.book.files[made["id"]] = content
        return str(made["id"])


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
        storing = Storing(seed=1)
        crowd = Crowd(server, storing)
        crowd.run(crowd.kill_often(kills, seed=2))
        book = storing.book
        assert len(book.files) >= kills / 2
        assert len(book.batches) > 0
        with client_of(server) as client:
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

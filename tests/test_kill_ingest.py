"""kill -9 at random moments while files are added to vector stores: each that was acknowledged is wholly in at the end,
once, and nothing else is. `OWNGPT_TEST_KILLS=300` kills more often.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from owngpt.store.chunks import Chunks
from owngpt.store.db import Database
from owngpt.store.opening import open_database
from tests.conftest import TEMPLATE
from tests.fakes.crowd import Crowd, Work, Works, client_of, ok
from tests.fakes.killable import Killable
from tests.test_kill import KILLS

Book = dict[tuple[str, str], str]  # (store, file) -> text


class Indexing(Works):
    """New vector stores, and files in them."""

    def __init__(self) -> None:
        super().__init__()
        self._random = random.Random(1)
        self.book: Book = {}

    @property
    def works(self) -> Sequence[Work]:
        return (self._fill,)

    def _fill(self, client: httpx.Client) -> None:
        store = self.ok(client.post("/vector_stores", json={}))["id"]
        for _ in range(self._random.randrange(1, 8)):
            self._add(client, store)
        time.sleep(self._random.uniform(0.0, 0.3))

    def _add(self, client: httpx.Client, store: str) -> None:
        number = self._random.choice([5, 3000])
        text = " ".join(self._random.choices(["whale", "sea", "ship", "harpoon.", "Ahab."], k=number))
        file = self.ok(client.post("/files", files={"file": ("a.txt", text.encode())}, data={"purpose": "assistants"}))
        self.ok(client.post(f"/vector_stores/{store}/files", json={"file_id": file["id"]}))
        self.book[store, file["id"]] = text


def wait_for_all(server: Killable, book: Book) -> None:
    """What a dead process held is free after a while."""
    deadline = time.monotonic() + 60
    with client_of(server) as client:
        for store, file in book:
            while (found := ok(client.get(f"/vector_stores/{store}/files/{file}")))["status"] == "in_progress":
                assert time.monotonic() < deadline, found
                time.sleep(0.05)
            assert found["status"] == "completed", found


def check_index(database: Database, book: Book) -> None:
    """Each file's chunks hold all of its text, and there are no others."""
    chunks = Chunks(database)
    for (store, file), text in book.items():
        found = chunks.list(store, file)
        assert [chunk.index for chunk in found] == list(range(len(found)))
        assert all(text[chunk.start : chunk.end] == chunk.text for chunk in found)
        covered = {i for chunk in found for i in range(chunk.start, chunk.end)}
        assert all(i in covered for i, character in enumerate(text) if character != " ")
    rows = database.read("SELECT vector_store_id, file_id FROM indexed_files")
    assert {(row["vector_store_id"], row["file_id"]) for row in rows} >= book.keys()
    unfinished = "SELECT id FROM vector_store_files WHERE status <> 'completed'"
    assert database.read(unfinished) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_file_is_in_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = None
    if kind == "postgresql":
        url = request.getfixturevalue("postgresql_server").new_database(TEMPLATE)
    with Killable(tmp_path, database=url) as server:
        indexing = Indexing()
        crowd = Crowd(server, indexing)
        crowd.run(crowd.kill_often(max(2, KILLS // (2 if kind == "sqlite" else 4)), seed=2))
        wait_for_all(server, indexing.book)
        server.stop()
    database = open_database(tmp_path, url)
    check_index(database, indexing.book)
    database.close()

"""kill -9 at random moments while clients do everything at the same time: upload, add to vector stores, order batches,
ask for responses, keep conversations, stream chats. What was acknowledged is there in the end, once, and was counted
once; nothing else is left. `OWNGPT_TEST_KILLS=300` kills more often.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from owngpt.service.batch_lines import request_id
from owngpt.store.db import Database
from owngpt.store.opening import open_database
from tests.conftest import TEMPLATE
from tests.fakes.crowd import Crowd, Work, Works, client_of
from tests.fakes.killable import Killable
from tests.test_kill import KILLS, Storing, check_batches, check_blobs, check_files
from tests.test_kill_ingest import Indexing, check_index, wait_for_all
from tests.test_kill_responses import Asking, check_queued, check_talks, check_whole

TOKENS = 6  # of "Hello!"
QUEUES = ("response_jobs", "batch_lines")
BLOBS = re.compile("[0-9a-f]{2}")  # the names of the folders they lie in
KNOWN = ("owngpt.db", "batches.lock", "tokenizer", "chat_template")


class Chatting(Works):
    """Streams of chats, of which the server may see the end or not."""

    def __init__(self) -> None:
        super().__init__()
        self._random = random.Random(3)
        self.received: Counter[str] = Counter()  # request -> tokens

    @property
    def works(self) -> Sequence[Work]:
        return (self._chat,)

    def _chat(self, client: httpx.Client) -> None:
        body = {"messages": [{"role": "user", "content": "x" * self._random.randrange(1, 99)}], "stream": True}
        with client.stream("POST", "/chat/completions", json=body) as response:
            for line in response.iter_lines():
                self.received[response.headers["x-request-id"]] += _has_text(line)
        self.num_answers += 1


def _has_text(line: str) -> bool:
    if not line.startswith("data: {"):
        return False
    document: dict[str, Any] = json.loads(line[6:])
    return bool(document["choices"][0]["delta"].get("content"))


class Everything:
    """All kinds of clients."""

    def __init__(self) -> None:
        self.storing, self.indexing, self.asking, self.chatting = Storing(seed=1), Indexing(), Asking(), Chatting()

    def crowd(self, server: Killable) -> Crowd:
        return Crowd(server, self.storing, self.indexing, self.asking, self.chatting)

    def check_answers(self, server: Killable) -> None:
        """By asking the server."""
        wait_for_all(server, self.indexing.book)
        with client_of(server) as client:
            check_batches(client, self.storing.book)
            check_files(client, self.storing.book)
            check_queued(client, self.asking.book)
            check_talks(client, self.asking.book)
            check_whole(client, self.asking.book)

    def check_usage(self, database: Database) -> None:
        """Every token that reached a client was counted, once; and nothing that could not have been given."""
        rows = database.read("SELECT request_id, output_tokens FROM usage_events WHERE kind = 'completions'")
        counted = {row["request_id"]: row["output_tokens"] for row in rows}
        assert len(counted) == len(rows), "a request was counted twice"
        assert all(0 <= tokens <= TOKENS for tokens in counted.values())
        assert all(counted.get(request, 0) >= tokens for request, tokens in self.chatting.received.items())
        for batch, number in self.storing.book.batches.items():
            assert sum(counted.get(request_id(batch, line), 0) for line in range(number)) == TOKENS * number


def check_nothing_is_left(database: Database, folder: Path) -> None:
    """Queues are empty; in the folder lie only the database, what rows name, and the model."""
    assert all(database.read(f"SELECT * FROM {queue}") == [] for queue in QUEUES)
    check_blobs(database, folder)
    others = [path for path in folder.rglob("*") if path.is_file() and not BLOBS.fullmatch(path.parent.name)]
    strange = [path for path in others if not path.name.startswith(KNOWN)]
    assert strange == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nothing_acknowledged_is_lost(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = None
    if kind == "postgresql":
        url = request.getfixturevalue("postgresql_server").new_database(TEMPLATE)
    everything = Everything()
    with Killable(tmp_path, database=url) as server:
        crowd = everything.crowd(server)
        crowd.run(crowd.kill_often(KILLS if kind == "sqlite" else max(2, KILLS // 7), seed=2))
        everything.check_answers(server)
        server.stop()
        server.start()  # what the last crash has left is collected
        server.stop()
    database = open_database(tmp_path, url)
    everything.check_usage(database)
    check_index(database, everything.indexing.book)
    check_nothing_is_left(database, tmp_path)
    database.close()
    if kind == "sqlite":
        with sqlite3.connect(tmp_path / "owngpt.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()

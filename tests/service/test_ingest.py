"""Ingest: what is taken up, in whose turn, what a crash leaves, and what is read only once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from owngpt.retrieval.document import Document
from owngpt.retrieval.parse import Progress, parse
from owngpt.retrieval.parser import Parser
from owngpt.service import vector_stores
from owngpt.service.app import App, Caller
from owngpt.service.callers import caller_of_key
from owngpt.service.ingest import MAX_JOBS, Ingest, digest_of
from owngpt.service.vector_stores import FileOrder
from owngpt.store.files import NewFile
from owngpt.store.ingest_queue import IngestQueue
from owngpt.store.vector_store_files import VectorStoreFile
from tests.fakes.engine import FakeEmbedder, make_app

pytestmark = pytest.mark.anyio


class FakeParser(Parser):
    """Reads here and now; remembers the names of the files, and waits for `gate` if there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.gate: threading.Event | None = None
        self.error: Exception | None = None

    def parse(self, filename: str, data: bytes, progress: Progress = lambda done, total: None) -> Document:
        self.names.append(filename)
        while self.gate is not None and not self.gate.wait(0.01):
            progress(1, 9)
        if self.error is not None:
            raise self.error
        return parse(filename, data)


class House:
    """An app whose parser is a fake, and stores of several projects."""

    def __init__(self, app: App) -> None:
        self.app, self.parser = app, FakeParser()
        self.ingest = app.ingest = Ingest(app, self.parser)

    def caller(self, project: str = "default") -> Caller:
        return caller_of_key(self.app.keys.create(project=project).key)

    def add(self, caller: Caller, *files: tuple[str, str]) -> str:
        """-> the id of a new store with these files (name, text)."""
        orders = []
        for name, text in files:
            with self.app.files.blobs.writer(10_000_000) as writer:
                writer.write(text.encode())
                new = NewFile(caller.project_id, name, "assistants")
                orders.append(FileOrder(self.app.files.add(new, writer.end()).id))
        return vector_stores.create(self.app, caller, "", "", {}, None, orders).id

    async def ready(self) -> None:
        self.ingest.wake()
        await asyncio.wait_for(self.ingest.idle(), 20)

    def files(self, caller: Caller, store: str) -> dict[str, VectorStoreFile]:
        rows = self.app.database.read("SELECT id FROM vector_store_files WHERE vector_store_id = ?", (store,))
        found = [self.app.vector_store_files.find(caller.project_id, store, row["id"]) for row in rows]
        return {file.filename: file for file in found}


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House(make_app())
    yield house
    if house.parser.gate is not None:
        house.parser.gate.set()
    await house.ingest.rest()
    house.app.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_each_chunk_is_embedded_under_its_titles(house: House) -> None:
    caller = house.caller()
    store = house.add(caller, ("a.md", "# Title\n\n" + "Some words that follow. " * 20))
    await house.ready()
    [file] = house.files(caller, store).values()
    chunks = house.app.chunks.list(store, file.id)
    embedder = house.app.models.embedders[0].embedder
    assert isinstance(embedder, FakeEmbedder)
    texts = ["".join(map(chr, ids)) for ids in embedder.inputs]
    assert len(chunks) > 1
    assert max(map(len, embedder.inputs)) <= embedder.max_input_tokens
    assert any("Title" in text for text in texts)
    assert (file.status, file.done, file.total) == ("completed", len(chunks), len(chunks))


async def test_without_an_embedder_files_are_found_by_their_words() -> None:
    house = House(make_app(embedder=False))
    caller = house.caller()
    store = house.add(caller, ("a.txt", "about whales"))
    await house.ready()
    assert house.files(caller, store)["a.txt"].status == "completed"
    assert len(house.app.chunks.list(store, house.files(caller, store)["a.txt"].id)) == 1
    house.app.close()


async def test_the_same_content_is_read_once_in_a_project_and_never_shared_with_another(house: House) -> None:
    one, two = house.caller("one"), house.caller("two")
    house.add(one, ("a.txt", "same text"))
    await house.ready()
    house.add(one, ("b.txt", "same text"))
    house.add(one, ("b.md", "same text"))
    house.add(two, ("c.txt", "same text"))
    await house.ready()
    assert sorted(house.parser.names) == ["a.txt", "b.md", "c.txt"]


async def test_projects_take_turns(house: House) -> None:
    """Who adds a hundred files does not keep out who adds one."""
    house.parser.gate = threading.Event()
    busy, calm = house.caller("busy"), house.caller("calm")
    house.add(busy, *[(f"busy{i}.txt", f"text {i}") for i in range(20)])
    house.ingest.wake()
    await until(lambda: len(house.parser.names) == MAX_JOBS)
    house.add(calm, ("calm.txt", "text"))
    house.ingest.wake()
    house.parser.gate.set()
    await house.ready()
    assert house.parser.names.index("calm.txt") <= 2 * MAX_JOBS
    assert len(house.parser.names) == 21


async def test_what_a_stopped_server_has_left_is_taken_up_by_the_next(tmp_path: Path) -> None:
    first = House(make_app(folder=tmp_path))
    first.parser.gate = threading.Event()
    caller = first.caller()
    store = first.add(caller, ("a.txt", "about whales"))
    first.ingest.wake()
    await until(lambda: first.parser.names == ["a.txt"])
    await asyncio.sleep(0)
    stopping = asyncio.create_task(first.ingest.rest())
    await asyncio.sleep(0.05)
    first.parser.gate.set()
    await stopping
    assert first.files(caller, store)["a.txt"].status == "in_progress"
    second = House(make_app(folder=tmp_path))
    await second.ready()
    assert second.files(caller, store)["a.txt"].status == "completed"
    for house in (first, second):
        house.app.close()


async def test_what_was_read_is_not_read_again_after_a_crash(house: House) -> None:
    caller = house.caller()
    store = house.add(caller, ("a.txt", "about whales"))
    queue = IngestQueue(house.app.database)
    dead = queue.take(caller.project_id)
    assert dead is not None
    document = parse("a.txt", b"about whales")
    digest = digest_of(house.app.files.find(caller.project_id, dead.id))
    assert queue.has_read(dead, digest, document.to_bytes(), [])
    queue.release(dead)
    await house.ready()
    assert house.parser.names == []
    assert house.files(caller, store)["a.txt"].status == "completed"


async def test_a_cancelled_batch_stops_what_runs(house: House) -> None:
    house.parser.gate = threading.Event()
    caller = house.caller()
    store = house.add(caller, ("a.txt", "text"))
    file = house.files(caller, store)["a.txt"]
    batch = vector_stores.add_batch(house.app, caller, store, [FileOrder(file.id)])
    house.ingest.wake()
    await until(lambda: house.parser.names == ["a.txt"])
    house.app.file_batches.cancel(batch)
    await asyncio.wait_for(house.ingest.idle(), 10)
    assert house.files(caller, store)["a.txt"].status == "cancelled"
    assert house.app.chunks.list(store, file.id) == []


async def test_a_file_that_is_deleted_while_it_is_read_leaves_nothing(house: House) -> None:
    house.parser.gate = threading.Event()
    caller = house.caller()
    store = house.add(caller, ("a.txt", "text"))
    file = house.files(caller, store)["a.txt"]
    house.ingest.wake()
    await until(lambda: house.parser.names == ["a.txt"])
    house.app.files.delete(caller.project_id, file.id)
    house.parser.gate.set()
    await asyncio.wait_for(house.ingest.idle(), 10)
    for table in ("vector_store_files", "chunks", "indexed_files", "index_segments", "documents"):
        assert house.app.database.read(f"SELECT * FROM {table}") == []


async def test_progress_is_told_while_a_file_is_read(house: House) -> None:
    house.parser.gate = threading.Event()
    caller = house.caller()
    store = house.add(caller, ("a.txt", "text"))
    house.ingest.wake()
    await until(lambda: house.files(caller, store)["a.txt"].stage == "reading")
    assert (house.files(caller, store)["a.txt"].done, house.files(caller, store)["a.txt"].total) == (1, 9)


async def test_a_bug_fails_its_file_and_the_next_one_goes_on(house: House) -> None:
    house.parser.error = RuntimeError("a bug")
    caller = house.caller()
    store = house.add(caller, ("a.txt", "text"))
    await house.ready()
    file = house.files(caller, store)["a.txt"]
    assert (file.status, file.error_code) == ("failed", "server_error")
    assert file.error_message is not None
    assert "a bug" not in file.error_message
    house.parser.error = None
    assert house.files(caller, house.add(caller, ("b.txt", "text")))["b.txt"].status == "in_progress"
    await house.ready()


async def test_growth_is_metered_and_taken_back(house: House) -> None:
    caller = house.caller()
    store = house.add(caller, ("a.txt", "about whales"))
    await house.ready()
    size = house.files(caller, store)["a.txt"].usage_bytes
    vector_stores.delete(house.app, caller, store)
    await asyncio.wrap_future(house.app.meter.flush())
    rows = house.app.database.read("SELECT kind, bytes FROM usage_events ORDER BY bytes")
    assert [(row["kind"], row["bytes"]) for row in rows] == [("vector_stores", -size), ("vector_stores", size)]

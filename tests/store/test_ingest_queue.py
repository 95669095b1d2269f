"""The queue of files that wait: claims, who holds them, and what a dead process leaves."""

from __future__ import annotations

import pytest

from owngpt.store.db import Database, Transaction
from owngpt.store.file_batches import FileBatches
from owngpt.store.ingest_queue import LEASE_SECONDS, IngestQueue, Progress
from owngpt.store.projects import Projects
from owngpt.store.vector_store_files import Chunking, NewVectorStoreFile, VectorStoreFile, VectorStoreFiles
from owngpt.store.vector_stores import VectorStores


class NoIndex:
    """Holds nothing."""

    def remove(self, transaction: Transaction, vector_store_id: str, file_id: str | None = None) -> None: ...

    def set_attributes(self, transaction: Transaction, *values: object) -> None: ...


class Shelf:
    """Stores of two projects, and a clock that can be put forward."""

    def __init__(self, database: Database) -> None:
        self.database, self.now = database, 1_000.0
        self.queue = IngestQueue(database, clock=lambda: self.now)
        self.stores, self.files = VectorStores(database, NoIndex()), VectorStoreFiles(database, NoIndex())
        self.projects = [Projects(database).ensure(name).id for name in ("one", "two")]
        self.store_ids = [self.stores.add(project, "", "", {}, None).id for project in self.projects]

    def add(self, project: int, *names: str) -> None:
        new = [NewVectorStoreFile(name, f"{name}.txt", {}, Chunking(100, 0)) for name in names]
        with self.database.write() as transaction:
            self.files.add(transaction, self.projects[project], "key", self.store_ids[project], new)

    def take(self, project: int = 0) -> VectorStoreFile:
        file = self.queue.take(self.projects[project])
        assert file is not None
        return file

    def status(self, file: VectorStoreFile) -> str:
        return self.files.find(file.project_id, file.vector_store_id, file.id).status


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(database)


def test_a_file_is_taken_by_one_only_and_in_order(shelf: Shelf) -> None:
    shelf.add(0, "a", "b")
    assert [shelf.take().id, shelf.take().id] == ["a", "b"]
    assert shelf.queue.take(shelf.projects[0]) is None
    assert shelf.queue.projects() == []


def test_what_a_dead_process_held_is_taken_up_by_another(shelf: Shelf) -> None:
    shelf.add(0, "a")
    dead = shelf.take()
    shelf.now += LEASE_SECONDS
    alive = shelf.take()
    assert alive.id == "a"
    assert shelf.queue.renew([(dead, Progress()), (alive, Progress("reading", 3, 9))]) == {dead.claim}
    assert not shelf.queue.has_read(dead, "digest", b"text", [])
    shelf.queue.fail(dead, "invalid_file", "no")
    assert shelf.status(alive) == "in_progress"
    found = shelf.files.find(alive.project_id, alive.vector_store_id, "a")
    assert (found.stage, found.done, found.total, found.digest) == ("reading", 3, 9, None)


def test_who_holds_a_file_keeps_it(shelf: Shelf) -> None:
    shelf.add(0, "a")
    file = shelf.take()
    for _ in range(5):
        shelf.now += LEASE_SECONDS - 1
        assert shelf.queue.renew([(file, Progress())]) == set()
    assert shelf.queue.take(shelf.projects[0]) is None
    shelf.queue.release(file)
    assert shelf.take().id == "a"


@pytest.mark.parametrize("change", ["cancelled", "deleted", "added anew"])
def test_a_change_takes_the_file_away_from_who_works_on_it(shelf: Shelf, change: str) -> None:
    shelf.add(0, "a", "b")
    file, batches = shelf.take(), FileBatches(shelf.database)
    if change == "cancelled":
        with shelf.database.write() as transaction:
            batch = batches.add(transaction, file.project_id, file.vector_store_id, ["a"])
        batches.cancel(batches.find(file.project_id, file.vector_store_id, batch))
        assert batches.find(file.project_id, file.vector_store_id, batch).status == "cancelled"
    elif change == "deleted":
        shelf.files.delete(file)
    else:
        shelf.add(0, "a")
    assert shelf.queue.renew([(file, Progress())]) == {file.claim}
    with shelf.database.write() as transaction:
        assert shelf.queue.complete(transaction, file, 1, 1) is None
    assert shelf.take().id == {"added anew": "a"}.get(change, "b")


def test_completing_tells_the_readers_as_of_now(shelf: Shelf) -> None:
    shelf.add(0, "a")
    file = shelf.take()
    shelf.files.set_attributes(file, {"readers": "user:1"}, frozenset({"user:1"}))
    with shelf.database.write() as transaction:
        done = shelf.queue.complete(transaction, file, 10, 2)
    assert done is not None
    assert (done.readers, done.attributes, done.status) == ({"user:1"}, {"readers": "user:1"}, "completed")


def test_projects_that_wait(shelf: Shelf) -> None:
    shelf.add(1, "x")
    assert shelf.queue.seconds_to_next() == 0
    shelf.add(0, "a")
    assert sorted(shelf.queue.projects()) == sorted(shelf.projects)
    shelf.take(1)
    assert shelf.queue.projects() == [shelf.projects[0]]


def test_documents_go_with_the_last_file_that_names_them(shelf: Shelf) -> None:
    shelf.add(0, "a", "b")
    files = [shelf.take(), shelf.take()]
    for file in files:
        assert shelf.queue.has_read(file, "same", b"text", ["a note"])
    shelf.files.delete(files[0])
    assert len(shelf.database.read("SELECT digest FROM documents")) == 1
    shelf.files.delete(files[1])
    assert shelf.database.read("SELECT digest FROM documents") == []

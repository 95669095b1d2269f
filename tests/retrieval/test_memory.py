"""What is kept of a store in memory, and when it is made anew."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from owngpt.retrieval.memory import Memory, StoreIndex, StoreKey, refreshed
from owngpt.retrieval.search import Query, Scope, Searcher
from owngpt.store.chunks import Chunks
from owngpt.store.db import SQLite
from tests.retrieval.library import Library, direction


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(SQLite(tmp_path / "owngpt.db"))


def test_an_unchanged_store_is_not_read_again(library: Library) -> None:
    library.put("a", ["cats"])
    memory, key = Memory(Chunks(library.db)), StoreKey(library.project_id, "vs_1")
    assert memory.current(key) is memory.current(key)


def test_what_is_kept_has_a_limit(library: Library) -> None:
    for number in range(6):
        library.put("a", ["cats and dogs"] * 50, store=f"vs_{number}")
    one = refreshed(Chunks(library.db), StoreKey(library.project_id, "vs_0"), StoreIndex()).nbytes
    memory = Memory(Chunks(library.db), max_bytes=3 * one)
    kept = [memory.current(StoreKey(library.project_id, f"vs_{number}")) for number in range(6)]
    assert memory.nbytes == 3 * one
    assert memory.current(StoreKey(library.project_id, "vs_5")) is kept[5]
    assert memory.current(StoreKey(library.project_id, "vs_0")) is not kept[0]
    small = Memory(Chunks(library.db), max_bytes=1)
    small.current(StoreKey(library.project_id, "vs_0"))
    assert small.nbytes == one, "the one in use stays"


def test_many_small_changes_make_few_parts(library: Library) -> None:
    chunks, key, index = Chunks(library.db), StoreKey(library.project_id, "vs_1"), StoreIndex()
    for number in range(40):
        library.put(f"file-{number}", ["cats"], vectors=[direction(0)] if number % 2 else None)
        index = refreshed(chunks, key, index)
        assert sum(map(len, index.parts)) == number + 1
        assert len(index.parts) <= 12
    for number in range(39):
        library.drop(f"file-{number}")
        index = refreshed(chunks, key, index)
        alive = 39 - number
        assert alive <= sum(map(len, index.parts)) <= alive / 0.75 + 2, "removed rows do not pile up"


def test_segments_of_other_rules_are_made_anew_from_the_text(library: Library) -> None:
    library.put("a", ["cats and dogs", "only cats"])
    with library.db.write() as transaction:
        transaction.execute("UPDATE index_segments SET analysis = 'rules of last year', terms = ?", (b"",))
    passages = Searcher(library.db).search(Scope(library.project_id, ("vs_1",)), [Query("dogs")])
    assert [passage.text for passage in passages] == ["cats and dogs"]


def test_searches_and_changes_at_the_same_time(library: Library) -> None:
    searcher, errors = Searcher(library.db), []

    def search() -> None:
        try:
            for _ in range(30):
                found = searcher.search(Scope(library.project_id, ("vs_1",)), [Query("cats")])
                assert all("cats" in passage.text for passage in found)
        except Exception as error:  # whatever it is, the test has to see it
            errors.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(30):
        library.put(f"file-{number % 7}", [f"cats {number}", "dogs"])
        library.drop(f"file-{number % 5}")
    for thread in threads:
        thread.join()
    assert errors == []

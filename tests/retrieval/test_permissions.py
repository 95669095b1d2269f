"""What a caller may not read changes nothing that he sees: neither results nor scores nor their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from owngpt.retrieval.search import Query, Scope, Searcher
from owngpt.store.db import SQLite
from owngpt.store.filters import Comparison
from owngpt.types import Passage
from tests.retrieval.library import EMBEDDER, Library, direction

PRINCIPALS = ("user:ann", "user:bob", "group:legal", "key:1")
WORDS = ("cats", "dogs", "leave", "東京", "有給休暇", "サーバー", "GPT-5.2")


class File(NamedTuple):
    """One that was put into a store; `year` is an attribute."""

    texts: list[str]
    topics: list[int] | None
    readers: frozenset[str]
    year: int


texts = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
readers = st.frozensets(st.sampled_from(PRINCIPALS), max_size=2)


@st.composite
def files(draw: st.DrawFn) -> File:
    content = draw(st.lists(texts, min_size=1, max_size=3))
    topics = draw(st.none() | st.lists(st.integers(0, 7), min_size=len(content), max_size=len(content)))
    return File(content, topics, draw(readers), draw(st.integers(2025, 2026)))


changes = st.lists(st.tuples(st.integers(0, 5), st.none() | files()), min_size=1, max_size=10)
queries = st.lists(
    st.builds(Query, texts, st.integers(0, 7).map(direction), st.just(EMBEDDER), st.sampled_from((0.0, 0.4, 1.0))),
    min_size=1,
    max_size=2,
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    library = Library(SQLite(tmp_path_factory.mktemp("data") / "owngpt.db"))
    yield library
    library.db.close()


stores = count()


def put(library: Library, store: str, number: int, file: File) -> None:
    vectors = None if file.topics is None else [direction(topic) for topic in file.topics]
    attributes = {"year": float(file.year)}
    library.put(f"file-{number}", file.texts, store=store, vectors=vectors, readers=file.readers, attributes=attributes)


def results(passages: list[Passage]) -> list[tuple[str, int, float]]:
    return [(passage.file_id, passage.start, passage.score) for passage in passages]


def check_readers(passages: list[Passage], there: Mapping[int, File], principals: frozenset[str]) -> None:
    for passage in passages:
        allowed = there[int(passage.file_id.removeprefix("file-"))].readers
        assert not allowed or allowed & principals
        assert passage.readers == allowed


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=changes, principals=readers, queries=queries, limit=st.integers(1, 6), is_filtered=st.booleans())
def test_what_may_not_be_read_changes_nothing(
    library: Library,
    changes: list[tuple[int, File | None]],
    principals: frozenset[str],
    queries: list[Query],
    limit: int,
    is_filtered: bool,
) -> None:
    """After random changes, a search equals one in a store that was only ever given the readable files.

    One searcher looks after every change, another one only at the end: what is kept in memory makes no difference.
    """
    store, readable_store = f"vs_{next(stores)}", f"vs_{next(stores)}"
    filters = Comparison("year", "eq", 2026) if is_filtered else None
    following, there = Searcher(library.db), dict[int, File]()

    def search(searcher: Searcher, where: str) -> list[Passage]:
        return searcher.search(Scope(library.project_id, (where,), principals, filters), queries, limit)

    for number, file in changes:
        if file is None:
            library.drop(f"file-{number}", store=store)
            there.pop(number, None)
        else:
            put(library, store, number, file)
            there[number] = file
        check_readers(search(following, store), there, principals)
    for number, file in there.items():
        if not file.readers or file.readers & principals:
            put(library, readable_store, number, file)
    found = search(Searcher(library.db), store)
    check_readers(found, there, principals)
    assert results(found) == results(search(following, store)) == results(search(Searcher(library.db), readable_store))

"""What a search finds, in which order, and for whom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from owngpt.retrieval.rerank import WeightedQuery
from owngpt.retrieval.search import Query, Scope, Searcher
from owngpt.store.db import SQLite
from owngpt.store.filters import Comparison
from tests.retrieval.library import EMBEDDER, Library, direction


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(SQLite(tmp_path / "owngpt.db"))


def scope(library: Library, *stores: str, **more: object) -> Scope:
    return Scope(library.project_id, stores or ("vs_1",), **more)  # type: ignore[arg-type]


def found(library: Library, text: str, **more: object) -> list[str]:
    """The ids of files, best first."""
    passages = Searcher(library.db).search(scope(library, **more), [Query(text)])
    return [passage.file_id for passage in passages]


def test_words_are_found_in_both_languages(library: Library) -> None:
    library.put("leave", ["Employees may take annual leave.", "Sick leave needs a note."])
    library.put("休暇", ["年次有給休暇は十日です。", "病気休暇には診断書が必要です。"])
    [first, *_] = Searcher(library.db).search(scope(library), [Query("notes for sick leave")])
    assert (first.text, first.id, first.start, first.filename) == (
        "Sick leave needs a note.",
        "vs_1/leave#1",
        100,
        "leave.txt",
    )
    assert Searcher(library.db).search(scope(library), [Query("診断書")])[0].text == "病気休暇には診断書が必要です。"
    assert found(library, "quantum") == []


def test_meaning_is_found_without_a_common_word(library: Library) -> None:
    library.put("a", ["cats and dogs", "stocks and bonds"], vectors=[direction(0), direction(1)])
    near = Query("pets", direction(0, 0, 2), EMBEDDER, 0.5)
    [passage] = Searcher(library.db).search(scope(library), [near], threshold=0.1, is_reranked=False)
    assert passage.text == "cats and dogs"
    assert passage.score == pytest.approx(0.5 * 0.5**0.5, abs=1e-3)


def test_vectors_of_another_model_are_not_compared(library: Library) -> None:
    library.put("a", ["cats"], vectors=[direction(0)])
    assert Searcher(library.db).search(scope(library), [Query("pets", direction(0), "another", 0.5)]) == []
    assert Searcher(library.db).search(scope(library), [Query("pets", direction(0)[:4], EMBEDDER, 0.5)]) == []


def test_a_chunk_without_vector_is_scored_by_its_words_alone(library: Library) -> None:
    library.put("with", ["cats"], vectors=[direction(0)])
    library.put("without", ["cats"])
    searcher, where = Searcher(library.db), scope(library)
    hits = searcher.search(where, [Query("cats", direction(1), EMBEDDER, 0.5)], is_reranked=False)
    words = searcher.search(where, [Query("cats")], is_reranked=False)
    assert [(hit.file_id, hit.score) for hit in hits] == [
        ("without", words[0].score),
        ("with", pytest.approx(words[0].score / 2)),
    ]


def test_every_search_sees_what_was_committed_before_it(library: Library) -> None:
    searcher, cats = Searcher(library.db), [Query("cats")]

    def hits() -> list[str]:
        return [passage.text for passage in searcher.search(scope(library), cats)]

    assert hits() == []
    for number in range(12):
        library.put(f"file-{number}", [f"cats {number}"])
        assert f"cats {number}" in hits()
    assert len(hits()) == 10
    for number in range(11):
        library.drop(f"file-{number}")
    assert hits() == ["cats 11"]
    library.put("file-11", ["more cats"])
    assert hits() == ["more cats"]
    library.drop(None)
    assert hits() == []


def test_several_stores_and_several_queries_are_one_search(library: Library) -> None:
    library.put("a", ["cats"])
    library.put("b", ["dogs"], store="vs_2")
    searcher = Searcher(library.db)
    passages = searcher.search(scope(library, "vs_1", "vs_2", "vs_1"), [Query("cats"), Query("dogs")])
    assert [(passage.vector_store_id, passage.text) for passage in passages] == [("vs_1", "cats"), ("vs_2", "dogs")]


def test_a_store_of_another_project_is_empty(library: Library) -> None:
    library.put("a", ["cats"])
    other = Library(library.db, "other")
    assert found(other, "cats") == []


def test_filters_and_readers_leave_out_before_ranking(library: Library) -> None:
    for number in range(30):
        library.put(f"secret-{number}", ["cats cats cats"], readers=frozenset({"group:board"}))
    library.put("open", ["a few cats among many other animals"], attributes={"year": 2026})
    library.put("mine", ["no more than one of all these cats here"], readers=frozenset({"user:ann"}))
    assert found(library, "cats") == ["open"]
    assert found(library, "cats", principals=frozenset({"user:ann", "key:k"})) == ["open", "mine"]
    assert len(found(library, "cats", principals=frozenset({"group:board"}))) == 10
    assert found(library, "cats", filters=Comparison("year", "eq", 2026)) == ["open"]
    assert found(library, "cats", filters=Comparison("year", "ne", 2026), principals=frozenset({"user:ann"})) == [
        "mine"
    ]


class Longest:
    """A reranker to which a long text is a good one."""

    share = 1.0

    def scores(self, query: WeightedQuery, texts: Sequence[str]) -> list[float]:
        return [min(1.0, len(text) / 100) for text in texts]


def test_another_reranker_can_look_again(library: Library) -> None:
    library.put("a", ["cats", "cats and many other animals", "dogs and nobody else"])
    searcher = Searcher(library.db, Longest())
    hits = searcher.search(scope(library), [Query("cats")])
    assert [(hit.text, hit.score) for hit in hits] == [("cats and many other animals", 0.27), ("cats", 0.04)]
    assert searcher.search(scope(library), [Query("cats")], is_reranked=False)[0].text == "cats"


def test_limits_and_thresholds(library: Library) -> None:
    library.put("a", ["cats"] * 5 + ["cats and dogs and all the others"])
    searcher = Searcher(library.db)
    hits = searcher.search(scope(library), [Query("cats dogs")], limit=3)
    assert [hit.text for hit in hits] == ["cats and dogs and all the others", "cats", "cats"]
    assert [hit.start for hit in hits[1:]] == [0, 100], "equals stand in the order of the document"
    assert len(searcher.search(scope(library), [Query("cats dogs")], threshold=hits[0].score)) == 1
    assert all(0 < hit.score <= 1 for hit in hits)

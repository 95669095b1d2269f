"""Chunks go in and out together with their caller's transaction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from owngpt.retrieval.index import ChunkIndex
from owngpt.retrieval.postings import Postings
from owngpt.retrieval.search import Query, Scope, Searcher
from owngpt.store.chunks import ChunkKey, ChunkOwner, Chunks, narrowed
from owngpt.store.db import Database
from owngpt.store.projects import Projects
from owngpt.types import Chunk
from tests.retrieval.library import EMBEDDER, Library, direction


def owner(database: Database, file_id: str = "file-1") -> ChunkOwner:
    return ChunkOwner(
        project_id=Projects(database).ensure().id,
        vector_store_id="vs_1",
        file_id=file_id,
        filename="report.pdf",
        attributes={"year": 2026.0, "draft": False, "team": "法務"},
        readers=frozenset({"user:ann", "group:legal"}),
        created_at=7,
        embedder="minilm",
    )


CHUNKS = [
    Chunk("vs_1/file-1#0", 0, "The first page.", 0, ((0, 1),), ("Report", "One")),
    Chunk("vs_1/file-1#1", 1, "東京都の二頁目。", 15, ((15, 2),)),
]
VECTORS = [[1.0, 0.0], [0.6, 0.8]]


def test_what_is_added_is_listed_as_it_was(database: Database) -> None:
    index, mine = ChunkIndex(database), owner(database)
    with database.write() as transaction:
        index.add(transaction, mine, CHUNKS, VECTORS)
    assert index.list("vs_1", "file-1") == CHUNKS
    assert index.list("vs_2", "file-1") == index.list("vs_1", "file-2") == []
    [file] = Chunks(database).files(mine.project_id, "vs_1")
    assert replace(file.owner, embedder="minilm") == mine
    assert Chunks(database).files("proj_other", "vs_1") == []
    keys = [ChunkKey("vs_1", "file-1", file.content, number) for number in (1, 9)]
    assert Chunks(database).find(keys) == {keys[0]: CHUNKS[1]}
    assert Chunks(database).find([replace(keys[0], content="of before")]) == {}


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    index, mine = ChunkIndex(database), owner(database)

    def crash() -> None:
        with database.write() as transaction:
            index.add(transaction, mine, CHUNKS, VECTORS)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crash()
    assert index.list("vs_1", "file-1") == []
    assert Chunks(database).revision("vs_1") == ""


def test_adding_again_replaces(database: Database) -> None:
    index, mine = ChunkIndex(database), owner(database)
    for chunks in (CHUNKS, CHUNKS[:1]):
        with database.write() as transaction:
            index.add(transaction, mine, chunks, None)
    assert index.list("vs_1", "file-1") == CHUNKS[:1]


def test_every_change_is_a_new_revision_and_what_changes_nothing_is_not(database: Database) -> None:
    index, mine = ChunkIndex(database), owner(database)
    seen = []
    for change in (
        lambda t: index.add(t, mine, CHUNKS, None),
        lambda t: index.set_attributes(t, "vs_1", "file-1", {}, frozenset()),
        lambda t: index.remove(t, "vs_1", "file-1"),
        lambda t: index.remove(t, "vs_1", "file-1"),
        lambda t: index.set_attributes(t, "vs_1", "file-1", {}, frozenset()),
        lambda t: index.remove(t, "vs_1"),
    ):
        with database.write() as transaction:
            change(transaction)
        seen.append(Chunks(database).revision("vs_1"))
    assert len(set(seen)) == 4
    assert seen[2] == seen[3] == seen[4]
    assert seen[5] == ""


def test_attributes_and_readers_change_without_the_content(database: Database) -> None:
    index, mine = ChunkIndex(database), owner(database)
    with database.write() as transaction:
        index.add(transaction, mine, CHUNKS, None)
    [before] = Chunks(database).files(mine.project_id, "vs_1")
    with database.write() as transaction:
        index.set_attributes(transaction, "vs_1", "file-1", {"year": 2027}, frozenset({"key:k"}))
    [after] = Chunks(database).files(mine.project_id, "vs_1")
    assert (after.owner.attributes, after.owner.readers) == ({"year": 2027}, {"key:k"})
    assert after.content == before.content


def test_vectors_are_kept_as_half_floats(database: Database) -> None:
    index, mine = ChunkIndex(database), owner(database)
    with database.write() as transaction:
        index.add(transaction, mine, CHUNKS, VECTORS)
    [file] = Chunks(database).files(mine.project_id, "vs_1")
    [stored] = Chunks(database).segments([file])
    segment = stored.segment
    kept = np.frombuffer(segment.vectors, "<f2").reshape(segment.num_chunks, segment.dimensions)
    np.testing.assert_allclose(kept, VECTORS, atol=1e-3)


def test_postings_survive_the_database() -> None:
    made = Postings.of([["a", "b", "a"], [], ["b"] * 300])
    read = Postings.from_bytes(made.to_bytes())
    for name in ("terms", "starts", "rows", "counts", "lengths"):
        np.testing.assert_array_equal(getattr(read, name), getattr(made, name))
    assert made.lengths.tolist() == [3, 0, 300]
    assert sorted(made.counts.tolist()) == [1, 2, 255]


def test_readers_of_both_are_those_named_in_both_and_never_everybody() -> None:
    ann, bob = frozenset({"user:ann"}), frozenset({"user:bob"})
    assert narrowed(ann, frozenset()) == narrowed(frozenset(), ann) == narrowed(ann, ann | bob) == ann
    assert narrowed(frozenset(), frozenset()) == frozenset()
    assert narrowed(ann, bob) == {"nobody"}


def test_the_same_search_has_the_same_scores_in_every_database(database: Database) -> None:
    """Ranking happens outside the database, on what it keeps."""
    library = Library(database)
    library.put("a", ["cats and dogs", "東京のサーバー"], vectors=[direction(0), direction(0, 1)])
    library.put("b", ["dogs in 東京"], vectors=[direction(1)])
    query = Query("dogs of 東京", direction(1), EMBEDDER, 0.4)
    passages = Searcher(database).search(Scope(library.project_id, ("vs_1",)), [query])
    assert [(passage.id, round(passage.score, 6)) for passage in passages] == [
        ("vs_1/b#0", 0.749214),
        ("vs_1/a#1", 0.508171),
        ("vs_1/a#0", 0.11755),
    ]

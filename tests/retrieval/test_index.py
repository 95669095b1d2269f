"""Chunks go in and out together with their caller's transaction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from owngpt.retrieval.index import ChunkIndex
from owngpt.retrieval.postings import Postings
from owngpt.store.chunks import ChunkKey, ChunkOwner, Chunks, narrowed
from owngpt.store.db import SQLite
from owngpt.store.projects import Projects
from owngpt.types import Chunk


@pytest.fixture
def db(tmp_path: Path) -> SQLite:
    return SQLite(tmp_path / "owngpt.db")


def owner(db: SQLite, file_id: str = "file-1") -> ChunkOwner:
    return ChunkOwner(
        project_id=Projects(db).ensure().id,
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


def test_what_is_added_is_listed_as_it_was(db: SQLite) -> None:
    index, mine = ChunkIndex(db), owner(db)
    with db.write() as transaction:
        index.add(transaction, mine, CHUNKS, VECTORS)
    assert index.list("vs_1", "file-1") == CHUNKS
    assert index.list("vs_2", "file-1") == index.list("vs_1", "file-2") == []
    [file] = Chunks(db).files(mine.project_id, "vs_1")
    assert replace(file.owner, embedder="minilm") == mine
    assert Chunks(db).files("proj_other", "vs_1") == []
    keys = [ChunkKey("vs_1", "file-1", file.content, number) for number in (1, 9)]
    assert Chunks(db).find(keys) == {keys[0]: CHUNKS[1]}
    assert Chunks(db).find([replace(keys[0], content="of before")]) == {}


def test_a_transaction_that_fails_leaves_nothing(db: SQLite) -> None:
    index, mine = ChunkIndex(db), owner(db)

    def crash() -> None:
        with db.write() as transaction:
            index.add(transaction, mine, CHUNKS, VECTORS)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crash()
    assert index.list("vs_1", "file-1") == []
    assert Chunks(db).revision("vs_1") == ""


def test_adding_again_replaces(db: SQLite) -> None:
    index, mine = ChunkIndex(db), owner(db)
    for chunks in (CHUNKS, CHUNKS[:1]):
        with db.write() as transaction:
            index.add(transaction, mine, chunks, None)
    assert index.list("vs_1", "file-1") == CHUNKS[:1]


def test_every_change_is_a_new_revision_and_what_changes_nothing_is_not(db: SQLite) -> None:
    index, mine = ChunkIndex(db), owner(db)
    seen = []
    for change in (
        lambda t: index.add(t, mine, CHUNKS, None),
        lambda t: index.set_attributes(t, "vs_1", "file-1", {}, frozenset()),
        lambda t: index.remove(t, "vs_1", "file-1"),
        lambda t: index.remove(t, "vs_1", "file-1"),
        lambda t: index.set_attributes(t, "vs_1", "file-1", {}, frozenset()),
        lambda t: index.remove(t, "vs_1"),
    ):
        with db.write() as transaction:
            change(transaction)
        seen.append(Chunks(db).revision("vs_1"))
    assert len(set(seen)) == 4
    assert seen[2] == seen[3] == seen[4]
    assert seen[5] == ""


def test_attributes_and_readers_change_without_the_content(db: SQLite) -> None:
    index, mine = ChunkIndex(db), owner(db)
    with db.write() as transaction:
        index.add(transaction, mine, CHUNKS, None)
    [before] = Chunks(db).files(mine.project_id, "vs_1")
    with db.write() as transaction:
        index.set_attributes(transaction, "vs_1", "file-1", {"year": 2027}, frozenset({"key:k"}))
    [after] = Chunks(db).files(mine.project_id, "vs_1")
    assert (after.owner.attributes, after.owner.readers) == ({"year": 2027}, {"key:k"})
    assert after.content == before.content


def test_vectors_are_kept_as_half_floats(db: SQLite) -> None:
    index, mine = ChunkIndex(db), owner(db)
    with db.write() as transaction:
        index.add(transaction, mine, CHUNKS, VECTORS)
    [file] = Chunks(db).files(mine.project_id, "vs_1")
    [stored] = Chunks(db).segments([file])
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

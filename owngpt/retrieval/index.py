"""The door through which chunks get into the index and out of it; `search.py` is the one that looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from owngpt.retrieval.postings import Postings
from owngpt.retrieval.terms import ANALYSIS, terms
from owngpt.store.chunks import Attributes, ChunkOwner, Chunks, Segment
from owngpt.store.db import Database, Transaction
from owngpt.types import Chunk

SEGMENT_CHUNKS = 4096

Vectors = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The chunks of a file, and what they are searched by."""

    chunks: Sequence[Chunk]
    segments: Sequence[Segment]


class ChunkIndex:
    """All that can be searched, of all projects; one per database. Safe to use from any thread.

    A change takes the caller's transaction, so that it happens together with the row that says that a file is ready,
    and every search that begins after the commit sees it, in every process.
    """

    def __init__(self, db: Database) -> None:
        self._chunks = Chunks(db)

    def add(
        self, transaction: Transaction, owner: ChunkOwner, chunks: Sequence[Chunk], vectors: Vectors | None
    ) -> None:
        """`prepare` and `put` in one, for a few chunks: nobody else writes while it lasts."""
        self.put(transaction, owner, prepare(chunks, vectors))

    def put(self, transaction: Transaction, owner: ChunkOwner, prepared: Prepared) -> None:
        """Index a file, or index it anew."""
        has_vectors = any(segment.vectors for segment in prepared.segments)
        assert not has_vectors or owner.embedder, "vectors need the name of the model that made them"
        self._chunks.delete(transaction, owner.vector_store_id, owner.file_id)
        self._chunks.insert(transaction, owner, prepared.chunks, prepared.segments)

    def remove(self, transaction: Transaction, vector_store_id: str, file_id: str | None = None) -> None:
        """Forget a file of a store, or (None) the whole store. Removing what is not there changes nothing."""
        self._chunks.delete(transaction, vector_store_id, file_id)

    def set_attributes(
        self,
        transaction: Transaction,
        vector_store_id: str,
        file_id: str,
        attributes: Attributes,
        readers: frozenset[str],
    ) -> None:
        """From now on the file's chunks have these; nothing happens where it is not indexed (yet)."""
        self._chunks.update(transaction, vector_store_id, file_id, attributes, readers)

    def list(self, vector_store_id: str, file_id: str) -> list[Chunk]:
        """The chunks of a file, in the order of the document."""
        return self._chunks.list(vector_store_id, file_id)


def prepare(chunks: Sequence[Chunk], vectors: Vectors | None, pause: Callable[[], None] = lambda: None) -> Prepared:
    """The work that needs no database, about a millisecond per chunk; `pause` is called before each of them.

    `vectors` are one per chunk, of unit length; None: they are found by their words.
    """
    assert vectors is None or len(vectors) == len(chunks), f"{len(chunks)} chunks, {len(vectors)} vectors"
    return Prepared(chunks, list(_segments(chunks, vectors, pause)))


def embedding_text(chunk: Chunk) -> str:
    """What stands for a chunk in both kinds of search: the titles above it, and its text."""
    return "\n".join([*chunk.headings, chunk.text])


def postings_of(chunks: Sequence[Chunk], pause: Callable[[], None] = lambda: None) -> Postings:
    """The terms of each chunk, its titles included."""
    found = []
    for chunk in chunks:
        pause()
        found.append(terms(embedding_text(chunk)))
    return Postings.of(found)


def _segments(chunks: Sequence[Chunk], vectors: Vectors | None, pause: Callable[[], None]) -> Iterator[Segment]:
    for base in range(0, len(chunks), SEGMENT_CHUNKS):
        some = chunks[base : base + SEGMENT_CHUNKS]
        postings = postings_of(some, pause)
        matrix = np.array(vectors[base : base + SEGMENT_CHUNKS] if vectors is not None else [], "<f2")
        dimensions = matrix.shape[1] if matrix.ndim == 2 else 0
        yield Segment(base, len(some), ANALYSIS, postings.to_bytes(), dimensions, matrix.tobytes())

"""Searcher: query -> ranked passages. Words and meaning of every chunk that may be read are scored, then mixed.

    score = (1 - weight) * bm25 + weight * max(0, cosine)

Both are between 0 and 1 without regard to the other results (`lexical.py`, `dense.py`), so a score means the same in
every search, and a threshold can be set. This convex combination ranks better than reciprocal ranks do (Bruch et al.,
2023, "An Analysis of Fusion Functions for Hybrid Retrieval"; our own figures: docs/grounding.md). Chunks without a
vector of the query's embedder are scored by words alone. What may not be read is left out before anything is ranked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from owngpt.retrieval.filters import Filter
from owngpt.retrieval.lexical import Readable, Statistics, bm25
from owngpt.retrieval.memory import Mask, Memory, StoreIndex, StoreKey
from owngpt.retrieval.part import Part, space
from owngpt.retrieval.terms import terms
from owngpt.store.chunks import ChunkKey, ChunkOwner, Chunks
from owngpt.store.db import Database
from owngpt.types import Chunk, Passage

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a caller searches, and what he may read there. The stores are his project's: that was checked."""

    project_id: str
    vector_store_ids: tuple[str, ...]
    principals: frozenset[str] = frozenset()
    filters: Filter | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. `vector` is of unit length and made by `embedder`; `weight` is how much it counts, 0 to 1."""

    text: str
    vector: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    embedder: str = ""
    weight: float = 0.0


class _Place(NamedTuple):
    """A store in memory with one of its parts, and the rows that may become results."""

    store: StoreIndex
    part: Part
    readable: Mask
    selected: Mask


class _Hit(NamedTuple):
    """A chunk that was found."""

    owner: ChunkOwner
    content: str
    number: int
    score: float

    @property
    def key(self) -> ChunkKey:
        return ChunkKey(self.owner.vector_store_id, self.owner.file_id, self.content, self.number)

    @property
    def rank(self) -> tuple[float, int, str, str, int]:
        """Best first; among equals, the older file, and the order of the document."""
        return (-self.score, self.owner.created_at, self.owner.vector_store_id, self.owner.file_id, self.number)


class Searcher:
    """Searches in the vector stores of one database. Safe to use from any thread."""

    def __init__(self, db: Database, max_bytes: int | None = None) -> None:
        self._chunks = Chunks(db)
        self._memory = Memory(self._chunks) if max_bytes is None else Memory(self._chunks, max_bytes)

    def search(self, scope: Scope, queries: Sequence[Query], limit: int = 10, threshold: float = 0.0) -> list[Passage]:
        """At most `limit` passages, best first, each once, with a score above 0 and of at least `threshold`.

        With several queries, that which a chunk fits best counts.
        """
        places = list(self._places(scope))
        statistics = Statistics.of([Readable(place.part, place.readable) for place in places])
        found = [_scores(places, statistics, query) for query in queries]
        scores = [np.maximum.reduce(of_part) for of_part in zip(*found, strict=True)]
        hits = sorted(_best(places, scores, limit, threshold), key=lambda hit: hit.rank)[:limit]
        chunks = self._chunks.find([hit.key for hit in hits])
        return [_passage(hit, chunks[hit.key]) for hit in hits if hit.key in chunks]

    def _places(self, scope: Scope) -> Iterator[_Place]:
        for vector_store_id in dict.fromkeys(scope.vector_store_ids):
            store = self._memory.current(StoreKey(scope.project_id, vector_store_id))
            readable, selected = store.readable(scope.principals), store.selected(scope.filters)
            for part, may_read, passes in zip(store.parts, readable, selected, strict=True):
                yield _Place(store, part, may_read, may_read & passes)


def _scores(places: Sequence[_Place], statistics: Statistics, query: Query) -> list[Scores]:
    """Of each row of each part."""
    lexical = bm25([Readable(place.part, place.readable) for place in places], statistics, terms(query.text))
    return [_mixed(place.part, words, query) for place, words in zip(places, lexical, strict=True)]


def _mixed(part: Part, words: Scores, query: Query) -> Scores:
    if part.matrix is None or query.weight == 0 or part.space != space(query.embedder, len(query.vector)):
        return words
    meaning = np.clip(part.matrix.cosines(query.vector), 0, 1)
    return np.float32(1 - query.weight) * words + np.float32(query.weight) * meaning


def _best(places: Sequence[_Place], scores: Sequence[Scores], limit: int, threshold: float) -> Iterator[_Hit]:
    """The best of each part, and all that are as good as the last of them."""
    for place, score in zip(places, scores, strict=True):
        rows = np.flatnonzero(place.selected & (score > 0) & (score >= threshold))
        if len(rows) > limit:
            last = np.partition(score[rows], len(rows) - limit)[len(rows) - limit]
            rows = rows[score[rows] >= last]
        for row in rows.tolist():
            version = place.part.files[place.part.file_of[row]]
            owner = place.store.owner(version)
            assert owner is not None, "a row that is selected belongs to a file that is indexed"
            yield _Hit(owner, version.content, int(place.part.number_of[row]), float(score[row]))


def _passage(hit: _Hit, chunk: Chunk) -> Passage:
    return Passage(
        id=chunk.id,
        text=chunk.text,
        file_id=hit.owner.file_id,
        filename=hit.owner.filename,
        start=chunk.start,
        pages=chunk.pages,
        score=min(hit.score, 1.0),
        attributes=hit.owner.attributes,
        vector_store_id=hit.owner.vector_store_id,
        readers=hit.owner.readers,
    )

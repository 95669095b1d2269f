"""Searcher: query -> ranked passages. Words and meaning of every chunk that may be read are scored, then mixed.

    score = (1 - weight) * bm25 + weight * max(0, cosine)

Both are between 0 and 1 without regard to the other results (`lexical.py`, `dense.py`), and so is the second look at
the best texts (`rerank.py`). So a score means the same in every search, and a threshold can be set. This convex
combination ranks better than reciprocal ranks do (Bruch et al., 2023, "An Analysis of Fusion Functions for Hybrid
Retrieval"; our own figures: docs/grounding.md). Chunks without a vector of the query's embedder are scored by words
alone. What may not be read is left out before anything is ranked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from owngpt.retrieval.index import embedding_text
from owngpt.retrieval.lexical import Readable, Statistics, bm25, term_weights
from owngpt.retrieval.memory import MAX_BYTES, Mask, Memory, StoreIndex, StoreKey
from owngpt.retrieval.part import Part, space
from owngpt.retrieval.rerank import Proximity, Reranker, WeightedQuery
from owngpt.retrieval.terms import query_terms
from owngpt.store.chunks import ChunkKey, ChunkOwner, Chunks
from owngpt.store.db import Database
from owngpt.store.filters import Filter
from owngpt.types import Chunk, Passage

Scores = NDArray[np.float32]
RERANKED = 20  # candidates that are looked at again, or as many as are asked for


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


@dataclass(frozen=True, slots=True)
class _Hit:
    """A chunk that was found. `scores` are those with each query."""

    owner: ChunkOwner
    key: ChunkKey
    scores: tuple[float, ...]

    @property
    def score(self) -> float:
        return max(self.scores)

    @property
    def rank(self) -> tuple[float, int, str, str, int]:
        """Best first; among equals, the older file, and the order of the document."""
        return (-self.score, self.owner.created_at, self.key.vector_store_id, self.key.file_id, self.key.number)


class Searcher:
    """Searches in the vector stores of one database. Safe to use from any thread."""

    def __init__(self, db: Database, reranker: Reranker | None = None, max_bytes: int = MAX_BYTES) -> None:
        self._chunks = Chunks(db)
        self._memory = Memory(self._chunks, max_bytes)
        self._reranker = reranker or Proximity()

    def search(
        self,
        scope: Scope,
        queries: Sequence[Query],
        limit: int = 10,
        threshold: float = 0.0,
        *,
        is_reranked: bool = True,
        reranker: Reranker | None = None,
    ) -> list[Passage]:
        """At most `limit` passages, best first, each once, with a score above 0 and of at least `threshold`.

        With several queries, that which a chunk fits best counts. `reranker` looks again, instead of the searcher's.
        """
        places = list(self._places(scope))
        corpus = [Readable(place.part, place.readable) for place in places]
        statistics = Statistics.of(corpus)
        weighted = [
            WeightedQuery(query.text, term_weights(corpus, statistics.num_chunks, query_terms(query.text)))
            for query in queries
        ]
        found = [
            _scores(corpus, statistics, query, words.weights) for query, words in zip(queries, weighted, strict=True)
        ]
        size = max(limit, RERANKED) if is_reranked else limit
        hits = sorted(_best(places, found, size), key=lambda hit: hit.rank)[:size]
        chunks = self._chunks.find([hit.key for hit in hits])
        hits = [hit for hit in hits if hit.key in chunks]
        if is_reranked:
            texts = [embedding_text(chunks[hit.key]) for hit in hits]
            hits = _reranked(reranker or self._reranker, weighted, hits, texts)
        good = [hit for hit in hits if hit.score >= threshold]
        return [_passage(hit, chunks[hit.key]) for hit in good[:limit]]

    def _places(self, scope: Scope) -> Iterator[_Place]:
        for vector_store_id in dict.fromkeys(scope.vector_store_ids):
            store = self._memory.current(StoreKey(scope.project_id, vector_store_id))
            readable, selected = store.readable(scope.principals), store.selected(scope.filters)
            for part, may_read, passes in zip(store.parts, readable, selected, strict=True):
                yield _Place(store, part, may_read, may_read & passes)


def _reranked(
    reranker: Reranker, queries: Sequence[WeightedQuery], hits: Sequence[_Hit], texts: Sequence[str]
) -> list[_Hit]:
    share = reranker.share
    second = zip(*(reranker.scores(query, texts) for query in queries), strict=True)
    mixed = [
        replace(hit, scores=tuple((1 - share) * a + share * b for a, b in zip(hit.scores, again, strict=True)))
        for hit, again in zip(hits, second, strict=True)
    ]
    return sorted(mixed, key=lambda hit: hit.rank)


def _scores(
    corpus: Sequence[Readable], statistics: Statistics, query: Query, weights: Mapping[str, float]
) -> list[Scores]:
    """Of each row of each part."""
    lexical = bm25(corpus, statistics.average_length, weights)
    return [_mixed(part, words, query) for (part, _), words in zip(corpus, lexical, strict=True)]


def _mixed(part: Part, words: Scores, query: Query) -> Scores:
    if part.matrix is None or query.weight == 0 or part.space != space(query.embedder, len(query.vector)):
        return words
    meaning = np.clip(part.matrix.cosines(query.vector), 0, 1)
    return np.float32(1 - query.weight) * words + np.float32(query.weight) * meaning


def _best(places: Sequence[_Place], found: Sequence[Sequence[Scores]], limit: int) -> Iterator[_Hit]:
    """The best of each part, and all that are as good as the last of them."""
    for number, place in enumerate(places):
        of_queries = [scores[number] for scores in found]
        score = np.maximum.reduce(of_queries)
        rows = np.flatnonzero(place.selected & (score > 0))
        if len(rows) > limit:
            last = np.partition(score[rows], len(rows) - limit)[len(rows) - limit]
            rows = rows[score[rows] >= last]
        for row in rows.tolist():
            version = place.part.files[place.part.file_of[row]]
            owner = place.store.owner(version)
            assert owner is not None, "a row that is selected belongs to a file that is indexed"
            key = ChunkKey(owner.vector_store_id, owner.file_id, version.content, int(place.part.number_of[row]))
            yield _Hit(owner, key, tuple(float(scores[row]) for scores in of_queries))


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

"""Search in vector stores, from a validated request to passages: by words, and by meaning where an embedder is loaded.

`retrieval/search.py` says how passages are found and what their scores mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import anyio
import numpy as np
from numpy.typing import NDArray

from owngpt.errors import InvalidRequest
from owngpt.retrieval.fluency import fluency
from owngpt.retrieval.reading import ReadingReranker
from owngpt.retrieval.rewrite import rewritten
from owngpt.retrieval.search import Query, Scope
from owngpt.service.app import App, Caller
from owngpt.service.embeddings import tokenize
from owngpt.service.models import ServedEmbedder
from owngpt.service.workers import INLINE_COST
from owngpt.store.filters import Filter
from owngpt.types import Passage

Vector = NDArray[np.float32]

EMBEDDING_WEIGHT = 0.5  # of meaning, for a query that the embedder understands; docs/grounding.md has the measurement
MAX_QUERIES = 16
MAX_QUERY_LENGTH = 16_384  # characters of all queries together


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What was found, best first, and the queries that were searched for."""

    passages: list[Passage]
    queries: list[str]


@dataclass(frozen=True, slots=True)
class Weights:
    """How much meaning and words count; only their ratio matters."""

    embedding: float
    text: float


async def search(
    app: App,
    caller: Caller,
    vector_store_ids: Sequence[str],
    queries: Sequence[str],
    *,
    filters: Filter | None = None,
    max_num_results: int = 10,
    score_threshold: float = 0.0,
    ranker: str = "auto",
    rewrite_query: bool = False,
    weights: Weights | None = None,
) -> SearchResult:
    """The passages of these stores that fit one of the queries best, among those that the caller may read.

    Raises `NotFound` for a store that is not of the caller's project, and `InvalidRequest` for one that has expired and
    for queries that are empty or too long.
    """
    check_queries(queries)
    await anyio.to_thread.run_sync(_use, app, caller, vector_store_ids)
    searched = list(dict.fromkeys(rewritten(query) if rewrite_query else query for query in queries))
    embedder = next(iter(app.models.embedders), None)
    prepared = await prepare(embedder, searched, weights)
    scope = Scope(caller.project_id, tuple(vector_store_ids), caller.principals, filters)
    reader = embedder.reader if embedder else None
    find = partial(
        app.searcher.search,
        scope,
        prepared,
        max_num_results,
        score_threshold,
        is_reranked=ranker != "none",
        reranker=ReadingReranker(reader) if reader else None,
    )
    passages = await anyio.to_thread.run_sync(find)
    only = vector_store_ids[0] if len(vector_store_ids) == 1 else None
    app.meter.record(caller, kind="file_search_calls", vector_store_id=only)
    return SearchResult(passages, searched)


def _use(app: App, caller: Caller, vector_store_ids: Sequence[str]) -> None:
    """The stores are used now, and what has expired is not in them any more."""
    app.vector_stores.use(caller.project_id, vector_store_ids)
    while app.files.prune(caller.project_id):
        pass


def check_queries(queries: Sequence[str]) -> None:
    """Raises `InvalidRequest`."""
    if not queries or not all(query.strip() for query in queries):
        raise InvalidRequest("'query' is empty; say what to search for.", param="query", code="invalid_value")
    if len(queries) > MAX_QUERIES:
        raise InvalidRequest(f"'query' has {len(queries)} texts; a search takes {MAX_QUERIES}.", param="query")
    if (length := sum(map(len, queries))) > MAX_QUERY_LENGTH:
        raise InvalidRequest(
            f"'query' has {length} characters; a search takes {MAX_QUERY_LENGTH}. Shorten it.", param="query"
        )


async def prepare(
    embedder: ServedEmbedder | None, queries: Sequence[str], weights: Weights | None = None
) -> list[Query]:
    """The queries with their vectors, where there is an embedder and it is to count."""
    if embedder is None or (weights is not None and weights.embedding == 0):
        return [Query(query) for query in queries]
    if sum(map(len, queries)) < INLINE_COST:
        readings = [_read(embedder, query) for query in queries]
    else:
        readings = await anyio.to_thread.run_sync(lambda: [_read(embedder, query) for query in queries])
    pieces = [piece for reading in readings for piece in reading.pieces]
    vectors = iter(np.array(await embedder.embedder.embed(pieces), np.float32))
    means = [_mean([next(vectors) for _ in reading.pieces]) for reading in readings]
    return [_query(embedder, *found, weights) for found in zip(queries, readings, means, strict=True)]


class _Reading(NamedTuple):
    """A query as the embedder gets it: in as many pieces as it needs."""

    pieces: list[list[int]]
    fluency: float


def _read(model: ServedEmbedder, query: str) -> _Reading:
    room = model.embedder.max_input_tokens - len(tokenize(model.tokenizer, [""])[0])
    ids = model.tokenizer.encode(query)
    pieces = [ids[i : i + room] for i in range(0, max(1, len(ids)), room)]
    return _Reading(tokenize(model.tokenizer, pieces), fluency(model.tokenizer, query))


def _query(model: ServedEmbedder, text: str, reading: _Reading, vector: Vector, weights: Weights | None) -> Query:
    if weights is None:
        weight = EMBEDDING_WEIGHT * reading.fluency
    else:
        weight = weights.embedding / (weights.embedding + weights.text)
    return Query(text, vector, model.name, weight)


def _mean(vectors: Sequence[Vector]) -> Vector:
    """Of a query that is longer than the model takes: the direction of its pieces together."""
    total: Vector = np.add.reduce(vectors, dtype=np.float32)
    return np.asarray(total / (np.linalg.norm(total) or 1.0), np.float32)

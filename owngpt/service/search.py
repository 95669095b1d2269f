"""Search in vector stores, from a validated request to passages: by words, and by meaning where an embedder is loaded.

`retrieval/search.py` says how passages are found and what their scores mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import anyio
import numpy as np
from numpy.typing import NDArray

from owngpt.errors import InvalidRequest
from owngpt.retrieval.filters import Filter
from owngpt.retrieval.fluency import fluency
from owngpt.retrieval.rewrite import rewritten
from owngpt.retrieval.search import Query, Scope
from owngpt.service.app import App, Caller
from owngpt.service.embeddings import tokenize
from owngpt.service.models import ServedEmbedder
from owngpt.types import Passage

Vector = NDArray[np.float32]

EMBEDDING_WEIGHT = 0.4  # of meaning, for a query that the embedder understands; docs/grounding.md has the measurement
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
    await anyio.to_thread.run_sync(app.vector_stores.use, caller.project_id, vector_store_ids)
    searched = list(dict.fromkeys(rewritten(query) if rewrite_query else query for query in queries))
    embedder = next(iter(app.models.embedders), None)
    prepared = await prepare(embedder, searched, weights)
    scope = Scope(caller.project_id, tuple(vector_store_ids), caller.principals, filters)
    find = partial(app.searcher.search, scope, prepared, max_num_results, score_threshold, is_reranked=ranker != "none")
    passages = await anyio.to_thread.run_sync(find)
    only = vector_store_ids[0] if len(vector_store_ids) == 1 else None
    app.meter.record(caller, kind="file_search_calls", vector_store_id=only)
    return SearchResult(passages, searched)


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
    vectors = await embed_queries(embedder, queries)
    return [_query(embedder, query, vector, weights) for query, vector in zip(queries, vectors, strict=True)]


def _query(model: ServedEmbedder, text: str, vector: Vector, weights: Weights | None) -> Query:
    if weights is None:
        weight = EMBEDDING_WEIGHT * fluency(model.tokenizer, text)
    else:
        weight = weights.embedding / (weights.embedding + weights.text)
    return Query(text, vector, model.name, weight)


async def embed_queries(model: ServedEmbedder, queries: Sequence[str]) -> list[Vector]:
    """A vector of unit length for each; a query that is longer than the model takes is embedded in pieces."""
    limit = model.embedder.max_input_tokens
    frame = tokenize(model.tokenizer, [""])[0]
    room = limit - len(frame)
    ids = [model.tokenizer.encode(query) for query in queries]
    pieces = [[tokens[i : i + room] for i in range(0, max(1, len(tokens)), room)] for tokens in ids]
    framed = tokenize(model.tokenizer, [piece for of_query in pieces for piece in of_query])
    vectors = iter(np.array(await model.embedder.embed(framed), np.float32))
    return [_mean([next(vectors) for _ in of_query]) for of_query in pieces]


def _mean(vectors: Sequence[Vector]) -> Vector:
    total: Vector = np.add.reduce(vectors, dtype=np.float32)
    return np.asarray(total / (np.linalg.norm(total) or 1.0), np.float32)

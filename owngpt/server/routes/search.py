"""POST /v1/vector_stores/{vector_store_id}/search."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from owngpt.server.routes.reply import LOOKING_COST, app_of, caller_of, guard_of, ignored_header, reply
from owngpt.server.schemas.answer import encode
from owngpt.server.schemas.base import unknown_fields
from owngpt.server.schemas.filters import read_filter
from owngpt.server.schemas.search import VectorStoreSearchRequest, search_document
from owngpt.server.stream import WholeAnswer
from owngpt.service.privacy.passages import blanked
from owngpt.service.search import check_queries, search


async def search_vector_store(request: Request) -> Response:
    """The chunks that fit best, among those that the caller may read."""
    return await reply(request, VectorStoreSearchRequest, respond)


def respond(request: Request, body: VectorStoreSearchRequest) -> Response:
    """The response, whose work has not begun. Raises `InvalidRequest`."""
    check_queries(body.query)
    guard = guard_of(request)
    queries = [guard.unmask(query) for query in body.query] if guard else body.query  # no model writes of them
    filters = read_filter(body.filters) if body.filters is not None else None
    options, hybrid = body.ranking_options, body.ranking_options.hybrid_search
    weights = hybrid.weights("ranking_options.hybrid_search") if hybrid is not None else None

    async def answer() -> bytes:
        result = await search(
            app_of(request),
            caller_of(request),
            [request.path_params["vector_store_id"]],
            queries,
            filters=filters,
            max_num_results=body.max_num_results,
            score_threshold=options.score_threshold,
            ranker=options.ranker,
            rewrite_query=body.rewrite_query,
            weights=weights,
        )
        if guard is not None:
            size = sum(len(passage.text) for passage in result.passages) * LOOKING_COST
            passages = await app_of(request).workers.run(size, blanked, result.passages, guard)
            result = replace(result, passages=passages)
        return encode(search_document(result))

    return WholeAnswer(answer, ignored_header(unknown_fields(body)))


ROUTES = (Route("/v1/vector_stores/{vector_store_id}/search", search_vector_store, methods=["POST"]),)

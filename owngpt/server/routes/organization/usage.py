"""/v1/organization/usage/... and /v1/organization/costs: what was used, in buckets of time.

What this server cannot do (images, audio, moderations, code, web searches) has operations too; their buckets are empty.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from owngpt.server.routes.organization.desk import Endpoint
from owngpt.server.routes.reply import app_of, caller_of, ignored_header
from owngpt.server.schemas.organization.usage_pages import (
    Document,
    completions_result,
    costs_results,
    embeddings_result,
    file_searches_result,
    group_fields,
    page_document,
    vector_stores_result,
)
from owngpt.server.schemas.organization.usage_query import Choices, UsageQuery, unknown_parameters, usage_query
from owngpt.service.app import App
from owngpt.store.usage_totals import stored_bytes, totals

_IDS = ("project_ids", "user_ids", "api_key_ids")
_MODEL_IDS = (*_IDS, "models")
_GROUPS = ("project_id", "user_id", "api_key_id")
_MODEL_GROUPS = (*_GROUPS, "model")
_MODELS = Choices(_MODEL_GROUPS, _MODEL_IDS)
COSTS = Choices(
    ("project_id", "line_item", "api_key_id"), ("project_ids", "api_key_ids"), widths=("1d",), limit=(7, 180)
)
COST_KINDS = ("completions", "embeddings", "file_search_calls", "vector_store_storage")
FLUSH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of usage. Without a `result` there is none of it here."""

    choices: Choices
    result: Callable[[Mapping[str, int]], Document] | None = None

    def documents(self, app: App, organization_id: str, query: UsageQuery, kind: str) -> Document:
        """The page."""
        if self.result is None:
            return page_document(query, ())
        asked = query.filter(organization_id, kind)
        if kind == "vector_stores":
            found = stored_bytes(app.database, asked, query.starts, query.columns())
        else:
            found = totals(app.database, asked, query.columns())
        names = self.choices.group_by
        results = ((t.bucket, self.result(t.sums) | group_fields(query, names, t.group)) for t in found)
        return page_document(query, results)


_SIZES = ("256x256", "512x512", "1024x1024", "1792x1792", "1024x1792")
_SOURCES = ("image.generation", "image.edit", "image.variation")
OPERATIONS = {
    "completions": Operation(
        Choices((*_MODEL_GROUPS, "batch", "service_tier"), _MODEL_IDS, has_batch=True), completions_result
    ),
    "embeddings": Operation(_MODELS, embeddings_result),
    "file_search_calls": Operation(
        Choices((*_GROUPS, "vector_store_id"), (*_IDS, "vector_store_ids")), file_searches_result
    ),
    "vector_stores": Operation(Choices(), vector_stores_result),
    "moderations": Operation(_MODELS),
    "images": Operation(
        Choices((*_MODEL_GROUPS, "size", "source"), _MODEL_IDS, {"sizes": _SIZES, "sources": _SOURCES})
    ),
    "audio_speeches": Operation(_MODELS),
    "audio_transcriptions": Operation(_MODELS),
    "code_interpreter_sessions": Operation(Choices()),
    "web_search_calls": Operation(
        Choices((*_MODEL_GROUPS, "context_level"), _MODEL_IDS, {"context_levels": ("low", "medium", "high")})
    ),
}


def _usage(kind: str, operation: Operation) -> Endpoint:
    def handle(app: App, organization_id: str, query: UsageQuery) -> Document:
        return operation.documents(app, organization_id, query, kind)

    return _endpoint(operation.choices, handle)


def costs(app: App, organization_id: str, query: UsageQuery) -> Document:
    """By day, at the prices of the time of use."""
    app.meter.catch_up()
    columns = {"project_id": "project_id", "api_key_id": "key_id"}
    grouped = [columns[name] for name in query.group_by if name != "line_item"]
    by_line = ["kind", "model"] if "line_item" in query.group_by else []
    found = totals(app.database, query.filter(organization_id, *COST_KINDS), [*grouped, *by_line])
    return page_document(query, costs_results(query, found))


def _endpoint(choices: Choices, handle: Callable[[App, str, UsageQuery], Document]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        query = usage_query(request.query_params, choices)
        app, caller = app_of(request), caller_of(request)

        def work() -> Document:
            with contextlib.suppress(TimeoutError):  # what has just ended is to be seen
                app.meter.flush().result(FLUSH_SECONDS)
            return handle(app, caller.organization_id, query)

        headers = ignored_header(unknown_parameters(request.query_params, choices))
        return JSONResponse(await to_thread.run_sync(work), headers=headers)

    return endpoint


ROUTES = (
    Route("/v1/organization/costs", _endpoint(COSTS, costs), methods=["GET"]),
    *(
        Route(f"/v1/organization/usage/{kind}", _usage(kind, operation), methods=["GET"])
        for kind, operation in OPERATIONS.items()
    ),
)

"""/v1/batches: many requests in a file, run when there is room."""

from __future__ import annotations

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from owngpt.errors import InvalidRequest
from owngpt.server.routes.reply import app_of, caller_of, ignored_header
from owngpt.server.schemas.base import parse, unknown_fields
from owngpt.server.schemas.batches import CreateBatchRequest, batch_document
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.service.app import App, Caller
from owngpt.service.batch_input import MAX_BYTES
from owngpt.service.files import refuse_without_storage
from owngpt.store.batches import NewBatch
from owngpt.store.files import File

ENDPOINTS = ("/v1/responses", "/v1/chat/completions", "/v1/completions", "/v1/embeddings")


async def create_batch(request: Request) -> Response:
    """Keep the order, and have it taken up."""
    app, caller = app_of(request), caller_of(request)
    refuse_without_storage(caller, "batches")
    body = parse(CreateBatchRequest, await request.body())
    _check_endpoint(body.endpoint)
    seconds = None if body.output_expires_after is None else body.output_expires_after.check()
    file = await to_thread.run_sync(_input_file, app, caller, body.input_file_id)
    new = NewBatch(caller.project_id, caller.key_id, body.endpoint, file, body.metadata, seconds)
    batch = await to_thread.run_sync(app.batches.create, new)
    app.wake()
    return JSONResponse(batch_document(batch), headers=ignored_header(unknown_fields(body)))


async def list_batches(request: Request) -> Response:
    """Those whose input the caller may read, the newest first."""
    app, caller = app_of(request), caller_of(request)
    found = await to_thread.run_sync(app.batches.page, caller.project_id, page_request(request), caller.principals)
    return JSONResponse(list_document([batch_document(batch) for batch in found.batches], found.has_more))


async def retrieve_batch(request: Request) -> Response:
    """How far it is."""
    app, caller = app_of(request), caller_of(request)
    batch = await to_thread.run_sync(
        app.batches.find, caller.project_id, request.path_params["batch_id"], caller.principals
    )
    return JSONResponse(batch_document(batch))


async def cancel_batch(request: Request) -> Response:
    """End it: what runs stops within a step, what is done stays in the output file."""
    app, caller = app_of(request), caller_of(request)
    batch = await to_thread.run_sync(
        app.batches.cancel, caller.project_id, request.path_params["batch_id"], caller.principals
    )
    app.wake()
    return JSONResponse(batch_document(batch))


def _check_endpoint(endpoint: str) -> None:
    if endpoint not in ENDPOINTS:
        supported = ", ".join(map(repr, ENDPOINTS))
        raise InvalidRequest(
            f"Invalid value for 'endpoint': {endpoint[:60]!r}. Supported values are: {supported}.",
            param="endpoint",
            code="invalid_value",
        )


def _input_file(app: App, caller: Caller, file_id: str) -> File:
    """Raises `NotFound` and `InvalidRequest`."""
    file = app.files.find(caller.project_id, file_id, caller.principals)
    if file.purpose != "batch":
        raise InvalidRequest(
            f"File {file.id} has purpose {file.purpose!r}; upload it with purpose 'batch'.", param="input_file_id"
        )
    if file.bytes > MAX_BYTES:
        raise InvalidRequest(
            f"File {file.id} has {file.bytes} bytes; the input of a batch has at most {MAX_BYTES}. Divide it.",
            param="input_file_id",
        )
    return file


ROUTES = (
    Route("/v1/batches", create_batch, methods=["POST"]),
    Route("/v1/batches", list_batches, methods=["GET"]),
    Route("/v1/batches/{batch_id}", retrieve_batch, methods=["GET"]),
    Route("/v1/batches/{batch_id}/cancel", cancel_batch, methods=["POST"]),
)

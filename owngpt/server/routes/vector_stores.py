"""/v1/vector_stores: stores, files, batches of files, and the text and pages of a file. Search has its own module."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Literal

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from owngpt.errors import InvalidRequest
from owngpt.server.routes.reply import LOOKING_COST, app_of, caller_of, ignored_header
from owngpt.server.schemas.base import WireModel, parse, shown, unknown_fields
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.server.schemas.vector_stores import (
    AddBatchRequest,
    AddFileRequest,
    CreateVectorStoreRequest,
    UpdateAttributesRequest,
    UpdateVectorStoreRequest,
    batch_document,
    content_document,
    file_document,
    page_document,
    store_document,
)
from owngpt.service import vector_stores as service
from owngpt.service.privacy.passages import blanked_parts
from owngpt.store.db import Value
from owngpt.store.vector_stores import STATUSES

_FILTERS = ", ".join(map(repr, STATUSES))


async def create_vector_store(request: Request) -> Response:
    """A store; files that it names are taken into the queue with it."""
    app, body = app_of(request), parse(CreateVectorStoreRequest, await request.body())
    days = body.expires_after.days if body.expires_after else None
    make = partial(
        service.create,
        app,
        caller_of(request),
        body.name or "",
        body.description or "",
        body.metadata or {},
        days,
        body.orders(),
    )
    store = await to_thread.run_sync(make)
    app.wake()
    return _answer(store_document(store), body)


async def list_vector_stores(request: Request) -> Response:
    """The project's, the newest first."""
    app, caller = app_of(request), caller_of(request)
    found = await to_thread.run_sync(
        app.vector_stores.page, caller.project_id, page_request(request), caller.principals
    )
    return JSONResponse(list_document([store_document(store) for store in found.stores], found.has_more))


async def retrieve_vector_store(request: Request) -> Response:
    """How it is, and how many files it has."""
    app, caller, store_id = app_of(request), caller_of(request), request.path_params["vector_store_id"]
    store = await to_thread.run_sync(app.vector_stores.find, caller.project_id, store_id, caller.principals)
    return JSONResponse(store_document(store))


async def modify_vector_store(request: Request) -> Response:
    """Another name, metadata, or time to expire."""
    app, caller, store_id = app_of(request), caller_of(request), request.path_params["vector_store_id"]
    body = parse(UpdateVectorStoreRequest, await request.body())
    await to_thread.run_sync(
        app.vector_stores.update, caller.project_id, store_id, _changes(body), service.destroyable_by(caller)
    )
    store = await to_thread.run_sync(app.vector_stores.find, caller.project_id, store_id, caller.principals)
    return _answer(store_document(store), body)


async def delete_vector_store(request: Request) -> Response:
    """With its index; the files themselves stay."""
    store_id = request.path_params["vector_store_id"]
    await to_thread.run_sync(service.delete, app_of(request), caller_of(request), store_id)
    return JSONResponse({"id": store_id, "object": "vector_store.deleted", "deleted": True})


async def create_vector_store_file(request: Request) -> Response:
    """Take a file into the queue."""
    app, body = app_of(request), parse(AddFileRequest, await request.body())
    store_id = request.path_params["vector_store_id"]
    file = await to_thread.run_sync(service.add_file, app, caller_of(request), store_id, body.order())
    app.wake()
    return _answer(file_document(file), body)


async def list_vector_store_files(request: Request) -> Response:
    """Those that the caller may read, perhaps of one status."""
    return await _files(request, None)


async def list_batch_files(request: Request) -> Response:
    """Those of one batch."""
    app, caller, store_id = app_of(request), caller_of(request), request.path_params["vector_store_id"]
    batch_id = request.path_params["batch_id"]
    await to_thread.run_sync(app.file_batches.find, caller.project_id, store_id, batch_id)
    return await _files(request, batch_id)


async def _files(request: Request, batch_id: str | None) -> Response:
    app, caller, store_id = app_of(request), caller_of(request), request.path_params["vector_store_id"]
    status = request.query_params.get("filter")
    if status is not None and status not in STATUSES:
        raise InvalidRequest(
            f"Invalid value for 'filter': {shown(status)}. Supported values are: {_FILTERS}.",
            param="filter",
            code="invalid_value",
        )
    await to_thread.run_sync(app.vector_stores.find, caller.project_id, store_id)
    find = partial(
        app.vector_store_files.page,
        caller.project_id,
        store_id,
        page_request(request),
        caller.principals,
        status,
        batch_id,
    )
    found = await to_thread.run_sync(find)
    return JSONResponse(list_document([file_document(file) for file in found.files], found.has_more))


async def retrieve_vector_store_file(request: Request) -> Response:
    """How far it is, or why it failed."""
    file = await to_thread.run_sync(service.find_file, app_of(request), caller_of(request), *_place(request))
    return JSONResponse(file_document(file))


async def update_vector_store_file(request: Request) -> Response:
    """Other attributes, for the file and all its chunks."""
    body = parse(UpdateAttributesRequest, await request.body())
    file = await to_thread.run_sync(
        service.set_attributes, app_of(request), caller_of(request), *_place(request), body.attributes or {}
    )
    return _answer(file_document(file), body)


async def delete_vector_store_file(request: Request) -> Response:
    """Out of the store; the file itself stays."""
    store_id, file_id = _place(request)
    await to_thread.run_sync(service.delete_file, app_of(request), caller_of(request), store_id, file_id)
    return JSONResponse({"id": file_id, "object": "vector_store.file.deleted", "deleted": True})


async def retrieve_file_content(request: Request) -> Response:
    """The text as it was read; `page` asks for one page of it."""
    return JSONResponse(content_document(await _shown(request, await _text(request, _number(request, "page")))))


async def retrieve_file_page(request: Request) -> Response:
    """One page: its text, or (`format=png`, of a PDF) its picture, in which `start` to `end` are marked."""
    text = await _text(request, _integer("page", request.path_params["page"]))
    shown = await _shown(request, text)
    if _format(request) == "json":
        return JSONResponse(page_document(shown))
    if shown != text:
        raise InvalidRequest(
            "The picture of this page would show personal data, which the policy of this project masks; ask for "
            "its text, with 'format' json.",
            param="format",
            code="pii_masked",
        )
    [page] = text.pages
    start, end = _number(request, "start"), _number(request, "end")
    highlight = None
    if start is not None and end is not None:
        highlight = (page.text, max(0, start - page.start), max(0, end - page.start))
    picture = await app_of(request).ingest.draw(text.file, page.page or 1, highlight)
    return Response(picture, media_type="image/png", headers={"cache-control": "private, max-age=300"})


async def _text(request: Request, page: int | None) -> service.FileText:
    return await to_thread.run_sync(service.read_text, app_of(request), caller_of(request), *_place(request), page)


async def _shown(request: Request, text: service.FileText) -> service.FileText:
    """As it may be shown: where the project has a privacy policy, without personal data."""
    app = app_of(request)
    guard = await app.privacy.open(caller_of(request))
    if guard is None:
        return text
    parts = [page.text for page in text.pages]
    found = await app.workers.run(sum(map(len, parts)) * LOOKING_COST, blanked_parts, parts, guard)
    pages = tuple(replace(page, text=part) for page, part in zip(text.pages, found, strict=True))
    return replace(text, pages=pages)


async def create_file_batch(request: Request) -> Response:
    """Take files into the queue, all or none."""
    app, body = app_of(request), parse(AddBatchRequest, await request.body())
    store_id = request.path_params["vector_store_id"]
    batch = await to_thread.run_sync(service.add_batch, app, caller_of(request), store_id, body.orders())
    app.wake()
    return _answer(batch_document(batch), body)


async def retrieve_file_batch(request: Request) -> Response:
    """How many of its files are ready."""
    app, caller = app_of(request), caller_of(request)
    store_id, batch_id = request.path_params["vector_store_id"], request.path_params["batch_id"]
    find = partial(app.file_batches.find, caller.project_id, store_id, batch_id, caller.principals)
    return JSONResponse(batch_document(await to_thread.run_sync(find)))


async def cancel_file_batch(request: Request) -> Response:
    """What is not finished will not be; what is stays."""
    app, caller = app_of(request), caller_of(request)
    store_id, batch_id = request.path_params["vector_store_id"], request.path_params["batch_id"]
    allowed = service.destroyable_by(caller)
    batch = await to_thread.run_sync(app.file_batches.find, caller.project_id, store_id, batch_id, allowed)
    await to_thread.run_sync(app.file_batches.cancel, batch, allowed)
    find = partial(app.file_batches.find, caller.project_id, store_id, batch_id, caller.principals)
    return JSONResponse(batch_document(await to_thread.run_sync(find)))


def _place(request: Request) -> tuple[str, str]:
    return request.path_params["vector_store_id"], request.path_params["file_id"]


def _answer(document: dict[str, object], body: WireModel) -> Response:
    return JSONResponse(document, headers=ignored_header(unknown_fields(body)))


def _changes(body: UpdateVectorStoreRequest) -> dict[str, Value]:
    """Columns and values; what is null is taken away."""
    days = body.expires_after.days if body.expires_after else None
    values: dict[str, Value] = {
        "name": body.name or "",
        "expires_after_days": days,
        "metadata": json.dumps(body.metadata or {}, ensure_ascii=False),
    }
    names = {"expires_after": "expires_after_days"}
    given = {names.get(name, name) for name in body.model_fields_set}
    return {name: value for name, value in values.items() if name in given}


def _format(request: Request) -> Literal["json", "png"]:
    match request.query_params.get("format", "json"):
        case "json":
            return "json"
        case "png":
            return "png"
        case other:
            raise InvalidRequest(
                f"Invalid value for 'format': {shown(other)}. Supported values are: 'json' and 'png'.",
                param="format",
                code="invalid_value",
            )


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    return None if text is None else _integer(name, text)


def _integer(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidRequest(
            f"Invalid '{name}': expected an integer, but got {shown(text)} instead.", param=name, code="invalid_value"
        )
    return int(text)


_STORE = "/v1/vector_stores/{vector_store_id}"
_FILE, _BATCH = f"{_STORE}/files/{{file_id}}", f"{_STORE}/file_batches/{{batch_id}}"
ROUTES = (
    Route("/v1/vector_stores", create_vector_store, methods=["POST"]),
    Route("/v1/vector_stores", list_vector_stores, methods=["GET"]),
    Route(_STORE, retrieve_vector_store, methods=["GET"]),
    Route(_STORE, modify_vector_store, methods=["POST"]),
    Route(_STORE, delete_vector_store, methods=["DELETE"]),
    Route(f"{_STORE}/files", create_vector_store_file, methods=["POST"]),
    Route(f"{_STORE}/files", list_vector_store_files, methods=["GET"]),
    Route(_FILE, retrieve_vector_store_file, methods=["GET"]),
    Route(_FILE, update_vector_store_file, methods=["POST"]),
    Route(_FILE, delete_vector_store_file, methods=["DELETE"]),
    Route(f"{_FILE}/content", retrieve_file_content, methods=["GET"]),
    Route(f"{_FILE}/pages/{{page}}", retrieve_file_page, methods=["GET"]),
    Route(f"{_STORE}/file_batches", create_file_batch, methods=["POST"]),
    Route(_BATCH, retrieve_file_batch, methods=["GET"]),
    Route(f"{_BATCH}/cancel", cancel_file_batch, methods=["POST"]),
    Route(f"{_BATCH}/files", list_batch_files, methods=["GET"]),
)

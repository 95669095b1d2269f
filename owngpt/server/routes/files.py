"""/v1/files: upload, list, look at, download and delete."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import BinaryIO
from urllib.parse import quote

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from owngpt.errors import RequestError
from owngpt.server.multipart import Form, discard, read_form
from owngpt.server.routes.reply import app_of, caller_of, ignored_header
from owngpt.server.schemas.base import missing, required
from owngpt.server.schemas.files import file_document
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.service.app import Caller
from owngpt.service.files import check_lifetime, new_file, refuse_without_storage
from owngpt.store.files import NewFile

PIECE_BYTES = 256 * 1024
_FIELDS = ("purpose", "readers", "expires_after[anchor]", "expires_after[seconds]")


async def create_file(request: Request) -> Response:
    """Keep the file of a form. It is on disk, and so is its row, when this answers."""
    app, caller = app_of(request), caller_of(request)
    await check_before_body(request, caller)
    with app.files.blobs.writer(app.settings.server.max_file_bytes) as writer:
        form = await read_form(request, "file", writer)
        assert form.staged is not None
        file = await to_thread.run_sync(app.files.add, _new_file(caller, form), form.staged)
    return JSONResponse(file_document(file), headers=ignored_header([n for n in form.fields if n not in _FIELDS]))


async def list_files(request: Request) -> Response:
    """Those that the caller may read, the newest first unless it says otherwise."""
    app, caller = app_of(request), caller_of(request)
    page, purpose = page_request(request, 10_000, 10_000), request.query_params.get("purpose")
    found = await to_thread.run_sync(app.files.page, caller.project_id, page, caller.principals, purpose)
    return JSONResponse(list_document([file_document(file) for file in found.files], found.has_more))


async def retrieve_file(request: Request) -> Response:
    """What is known of it."""
    app, caller = app_of(request), caller_of(request)
    file = await to_thread.run_sync(
        app.files.find, caller.project_id, request.path_params["file_id"], caller.principals
    )
    return JSONResponse(file_document(file))


async def delete_file(request: Request) -> Response:
    """With its bytes, and from all vector stores."""
    app, caller, file_id = app_of(request), caller_of(request), request.path_params["file_id"]
    await to_thread.run_sync(app.files.delete, caller.project_id, file_id, caller.principals)
    return JSONResponse({"id": file_id, "object": "file", "deleted": True})


async def download_file(request: Request) -> Response:
    """Its bytes, to be saved: a browser must not run what somebody has uploaded."""
    app, caller = app_of(request), caller_of(request)
    file = await to_thread.run_sync(
        app.files.find, caller.project_id, request.path_params["file_id"], caller.principals
    )
    content = await to_thread.run_sync(app.files.open, file)
    headers = {
        "content-length": str(file.bytes),
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file.filename)}",
        "x-content-type-options": "nosniff",
    }
    return StreamingResponse(_pieces(content), media_type="application/octet-stream", headers=headers)


async def check_before_body(request: Request, caller: Caller) -> None:
    """What needs no body to be refused; the client is left to send it, so that it reads why."""
    try:
        refuse_without_storage(caller)
    except RequestError:
        await discard(request)
        raise


def _new_file(caller: Caller, form: Form) -> NewFile:
    if form.filename is None:
        raise missing("file.filename")
    lifetime = check_lifetime(form.fields.get("expires_after[anchor]"), form.fields.get("expires_after[seconds]"))
    purpose = required(form.fields.get("purpose"), "purpose")
    return new_file(caller, form.filename, purpose, form.fields.get("readers", ""), lifetime)


async def _pieces(content: BinaryIO) -> AsyncIterator[bytes]:
    with content:
        while piece := await to_thread.run_sync(content.read, PIECE_BYTES):
            yield piece


ROUTES = (
    Route("/v1/files", create_file, methods=["POST"]),
    Route("/v1/files", list_files, methods=["GET"]),
    Route("/v1/files/{file_id}", retrieve_file, methods=["GET"]),
    Route("/v1/files/{file_id}", delete_file, methods=["DELETE"]),
    Route("/v1/files/{file_id}/content", download_file, methods=["GET"]),
)

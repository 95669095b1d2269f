"""/v1/uploads: a large file in parts."""

from __future__ import annotations

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from owngpt.server.multipart import read_form
from owngpt.server.routes.files import check_before_body
from owngpt.server.routes.reply import app_of, caller_of, ignored_header
from owngpt.server.schemas.base import parse, unknown_fields
from owngpt.server.schemas.uploads import (
    CompleteUploadRequest,
    CreateUploadRequest,
    part_document,
    upload_document,
)
from owngpt.service.files import new_file

MAX_PART_BYTES = 64 * 1024**2


async def create_upload(request: Request) -> Response:
    """Announce a file; its parts may come within the next hour."""
    app, caller = app_of(request), caller_of(request)
    body = parse(CreateUploadRequest, await request.body())
    lifetime = None if body.expires_after is None else body.expires_after.check()
    new = new_file(caller, body.filename, body.purpose, body.readers, lifetime, param="filename")
    upload = await to_thread.run_sync(app.uploads.create, new, caller.key_id, body.bytes, body.mime_type)
    return JSONResponse(upload_document(upload), headers=ignored_header(unknown_fields(body)))


async def add_upload_part(request: Request) -> Response:
    """Keep one part, up to 64 MiB; it is on disk when this answers."""
    app, caller, upload_id = app_of(request), caller_of(request), request.path_params["upload_id"]
    await check_before_body(request, caller)
    with app.files.blobs.writer(MAX_PART_BYTES) as writer:
        form = await read_form(request, "data", writer)
        assert form.staged is not None
        part = await to_thread.run_sync(
            app.uploads.add_part, caller.project_id, upload_id, caller.principals, form.staged
        )
    return JSONResponse(part_document(part), headers=ignored_header([*form.fields]))


async def complete_upload(request: Request) -> Response:
    """Put the parts together; repeated, it answers the same."""
    app, caller, upload_id = app_of(request), caller_of(request), request.path_params["upload_id"]
    body = parse(CompleteUploadRequest, await request.body())
    upload = await to_thread.run_sync(
        app.uploads.complete, caller.project_id, upload_id, caller.principals, body.part_ids, body.md5
    )
    return JSONResponse(upload_document(upload), headers=ignored_header(unknown_fields(body)))


async def cancel_upload(request: Request) -> Response:
    """No part can be added any more, and those that came are deleted."""
    app, caller, upload_id = app_of(request), caller_of(request), request.path_params["upload_id"]
    upload = await to_thread.run_sync(app.uploads.cancel, caller.project_id, upload_id, caller.principals)
    return JSONResponse(upload_document(upload))


ROUTES = (
    Route("/v1/uploads", create_upload, methods=["POST"]),
    Route("/v1/uploads/{upload_id}/parts", add_upload_part, methods=["POST"]),
    Route("/v1/uploads/{upload_id}/complete", complete_upload, methods=["POST"]),
    Route("/v1/uploads/{upload_id}/cancel", cancel_upload, methods=["POST"]),
)

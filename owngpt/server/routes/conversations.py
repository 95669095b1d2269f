"""/v1/conversations."""

from __future__ import annotations

from functools import partial

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from owngpt.server.routes.reply import app_of, caller_of, ignored_header
from owngpt.server.routes.responses import include_of, json_response
from owngpt.server.schemas.base import parse, unknown_fields
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.server.schemas.responses.conversations import (
    CreateConversation,
    CreateItems,
    UpdateConversation,
    conversation_document,
)
from owngpt.server.schemas.responses.items import read_items
from owngpt.service import conversations
from owngpt.service.responses.input_files import limiter


async def create_conversation(request: Request) -> Response:
    """POST /v1/conversations."""
    wire = parse(CreateConversation, await request.body() or b"{}")
    items = read_items(wire.items or (), "items", notes_images=app_of(request).settings.images == "note")
    app, caller = app_of(request), caller_of(request)
    make = partial(conversations.create, app, caller, wire.metadata or {}, items.items)
    made = await to_thread.run_sync(make, limiter=limiter(app, items.items))
    return json_response(conversation_document(made), ignored_header([*unknown_fields(wire), *items.unknown]))


async def retrieve_conversation(request: Request) -> Response:
    """GET /v1/conversations/{id}."""
    found = await to_thread.run_sync(conversations.find, app_of(request), caller_of(request), _id(request))
    return json_response(conversation_document(found))


async def update_conversation(request: Request) -> Response:
    """POST /v1/conversations/{id}."""
    wire = parse(UpdateConversation, await request.body())
    updated = await to_thread.run_sync(
        conversations.update, app_of(request), caller_of(request), _id(request), wire.metadata or {}
    )
    return json_response(conversation_document(updated), ignored_header(unknown_fields(wire)))


async def delete_conversation(request: Request) -> Response:
    """DELETE /v1/conversations/{id}."""
    await to_thread.run_sync(conversations.delete, app_of(request), caller_of(request), _id(request))
    return json_response({"id": _id(request), "object": "conversation.deleted", "deleted": True})


async def create_items(request: Request) -> Response:
    """POST /v1/conversations/{id}/items."""
    wire = parse(CreateItems, await request.body())
    app, caller = app_of(request), caller_of(request)
    read = read_items(wire.items, "items", notes_images=app.settings.images == "note")
    add = partial(conversations.add_items, app, caller, _id(request), read.items)
    added = await to_thread.run_sync(add, limiter=limiter(app, read.items))
    return json_response(list_document(added, False), ignored_header([*unknown_fields(wire), *read.unknown]))


async def list_items(request: Request) -> Response:
    """GET /v1/conversations/{id}/items."""
    page, include = page_request(request), include_of(request)
    items, has_more = await to_thread.run_sync(
        conversations.list_items, app_of(request), caller_of(request), _id(request), page, include
    )
    return json_response(list_document(items, has_more))


async def retrieve_item(request: Request) -> Response:
    """GET /v1/conversations/{id}/items/{item_id}."""
    item = await to_thread.run_sync(
        conversations.find_item,
        app_of(request),
        caller_of(request),
        _id(request),
        request.path_params["item_id"],
        include_of(request),
    )
    return json_response(item)


async def delete_item(request: Request) -> Response:
    """DELETE /v1/conversations/{id}/items/{item_id}: answers with the conversation."""
    conversation = await to_thread.run_sync(
        conversations.delete_item, app_of(request), caller_of(request), _id(request), request.path_params["item_id"]
    )
    return json_response(conversation_document(conversation))


def _id(request: Request) -> str:
    return str(request.path_params["conversation_id"])


_ONE = "/v1/conversations/{conversation_id}"
ROUTES = (
    Route("/v1/conversations", create_conversation, methods=["POST"]),
    Route(_ONE, retrieve_conversation, methods=["GET"]),
    Route(_ONE, update_conversation, methods=["POST"]),
    Route(_ONE, delete_conversation, methods=["DELETE"]),
    Route(f"{_ONE}/items", create_items, methods=["POST"]),
    Route(f"{_ONE}/items", list_items, methods=["GET"]),
    Route(f"{_ONE}/items/{{item_id}}", retrieve_item, methods=["GET"]),
    Route(f"{_ONE}/items/{{item_id}}", delete_item, methods=["DELETE"]),
)

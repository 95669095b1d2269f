"""Chat completions that were made with `store: true`: list, read, change their metadata, delete."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from owngpt.errors import InvalidRequest, NotFound
from owngpt.server.routes.reply import app_of, caller_of, ignored_header
from owngpt.server.routes.responses import json_response
from owngpt.server.schemas.base import parse, unknown_fields
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.server.schemas.stored_chat import UpdateChatCompletion, completion_document
from owngpt.service.responses.private import keep_placeholders, restored
from owngpt.store.chat_completions import ChatCompletions, StoredCompletion


async def list_chat_completions(request: Request) -> Response:
    """GET /v1/chat/completions, by model and metadata."""
    page = page_request(request, default_order="asc")
    store, project_id = ChatCompletions(app_of(request).database), caller_of(request).project_id
    found, has_more = await to_thread.run_sync(
        store.page, project_id, page, request.query_params.get("model"), _metadata(request)
    )
    data = await to_thread.run_sync(lambda: [_shown(request, completion) for completion in found])
    return json_response(list_document(data, has_more))


async def retrieve_chat_completion(request: Request) -> Response:
    """GET /v1/chat/completions/{id}."""
    return json_response(await to_thread.run_sync(_shown, request, await _find(request)))


async def list_messages(request: Request) -> Response:
    """GET /v1/chat/completions/{id}/messages."""
    page = page_request(request, default_order="asc")
    found = await _find(request)
    messages = await to_thread.run_sync(
        restored, app_of(request), caller_of(request), found.id, [dict(message) for message in found.messages]
    )
    ordered = messages if page.order == "asc" else messages[::-1]
    start = _place(ordered, page.after) + 1 if page.after else 0
    shown = ordered[start : start + page.limit]
    return json_response(list_document([dict(message) for message in shown], start + page.limit < len(ordered)))


async def update_chat_completion(request: Request) -> Response:
    """POST /v1/chat/completions/{id}."""
    wire = parse(UpdateChatCompletion, await request.body())
    store, project_id = ChatCompletions(app_of(request).database), caller_of(request).project_id
    metadata = await to_thread.run_sync(_kept, request, wire.metadata or {})
    updated = await to_thread.run_sync(store.update, project_id, _id(request), metadata)
    if updated is None:
        raise _missing(request)
    return json_response(await to_thread.run_sync(_shown, request, updated), ignored_header(unknown_fields(wire)))


async def delete_chat_completion(request: Request) -> Response:
    """DELETE /v1/chat/completions/{id}."""
    store = ChatCompletions(app_of(request).database)
    if not await to_thread.run_sync(store.delete, caller_of(request).project_id, _id(request)):
        raise _missing(request)
    await to_thread.run_sync(_drop, request)
    return json_response({"object": "chat.completion.deleted", "id": _id(request), "deleted": True})


def _shown(request: Request, completion: StoredCompletion) -> Any:
    """As its caller sees it, with the values that its placeholders stand for."""
    return restored(app_of(request), caller_of(request), completion.id, completion_document(completion))


def _kept(request: Request, metadata: dict[str, str]) -> dict[str, str]:
    """As it may be stored."""
    app, caller = app_of(request), caller_of(request)
    guard = app.privacy.guard(caller, _id(request))
    kept: dict[str, str] = metadata if guard is None else guard.mask_document(metadata)
    with app.database.write() as transaction:
        keep_placeholders(app, transaction, caller, guard, [_id(request)])
    return kept


def _drop(request: Request) -> None:
    with app_of(request).database.write() as transaction:
        app_of(request).privacy.drop(transaction, caller_of(request), _id(request))


async def _find(request: Request) -> StoredCompletion:
    store = ChatCompletions(app_of(request).database)
    found = await to_thread.run_sync(store.find, caller_of(request).project_id, _id(request))
    if found is None:
        raise _missing(request)
    return found


def _place(messages: list[Any], message_id: str) -> int:
    for i, message in enumerate(messages):
        if message["id"] == message_id:
            return i
    raise InvalidRequest(f"Invalid value for 'after': {message_id[:60]!r} is not in this list.", param="after")


def _metadata(request: Request) -> dict[str, str]:
    """From `metadata[name]=content`, as OpenAI's clients write it."""
    return {
        name[len("metadata[") : -1]: content
        for name, content in request.query_params.items()
        if name.startswith("metadata[") and name.endswith("]")
    }


def _id(request: Request) -> str:
    return str(request.path_params["completion_id"])


def _missing(request: Request) -> NotFound:
    return NotFound(f"No stored chat completion found with id '{_id(request)[:80]}'.", param="completion_id")


_ONE = "/v1/chat/completions/{completion_id}"
ROUTES = (
    Route("/v1/chat/completions", list_chat_completions, methods=["GET"]),
    Route(_ONE, retrieve_chat_completion, methods=["GET"]),
    Route(_ONE, update_chat_completion, methods=["POST"]),
    Route(_ONE, delete_chat_completion, methods=["DELETE"]),
    Route(f"{_ONE}/messages", list_messages, methods=["GET"]),
)

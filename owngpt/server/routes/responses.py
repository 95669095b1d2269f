"""/v1/responses: make, read, delete, and list what went in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, get_args

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from owngpt.errors import InvalidRequest
from owngpt.server.routes.reply import (
    app_of,
    caller_of,
    ignored_header,
    patience,
    receipt_header,
    request_id,
)
from owngpt.server.routes.responses_body import Body, guarded
from owngpt.server.schemas.answer import encode
from owngpt.server.schemas.base import header_value, parse, shown
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.server.schemas.responses.request import CompactRequest, Include, InputTokensRequest, ResponseRequest
from owngpt.server.schemas.responses.turn import ReadTurn, to_compacted_turn, to_counted_turn, to_turn
from owngpt.server.stream import DONE, EventStream, WholeAnswer
from owngpt.service.app import App, Caller
from owngpt.service.responses import reading
from owngpt.service.responses.answer import respond, respond_whole
from owngpt.service.responses.background import BackgroundResponses
from owngpt.service.responses.compaction import compact
from owngpt.service.responses.history import count, prepare
from owngpt.service.responses.jobs import cancel, put
from owngpt.service.responses.mcp.secrets import unsealed
from owngpt.service.responses.open_items import Event
from owngpt.service.responses.turn import Context, Turn, seal_of
from owngpt.store.response_jobs import Job


async def create_response(request: Request) -> Response:
    """Check, look up what went before, and answer whole or as a stream."""
    app, caller = app_of(request), caller_of(request)
    body = await guarded(app, caller, await request.body())
    wire, read = await app.workers.run(len(body.content), _read, request, body)
    turn, context = await prepare(app, caller, read.turn)
    headers = receipt_header(turn.order) | ignored_header(read.ignored) | truncated_header(context.dropped)
    if wire.background:
        document = await to_thread.run_sync(put, app, caller, turn, context, body.content)
        background_of(request).wake()
        if not wire.stream:
            return json_response(document, headers)
        return await _followed(request, turn.id, -1, headers)
    if wire.stream:
        return EventStream(stream(respond(app, caller, turn, context)), headers)
    return WholeAnswer(lambda: _whole(app, caller, turn, context), headers)


async def count_input_tokens(request: Request) -> Response:
    """POST /v1/responses/input_tokens."""
    app, caller, body = app_of(request), caller_of(request), await request.body()
    wire = parse(InputTokensRequest, body)
    read = to_counted_turn(app, caller, wire)
    turn, context = await prepare(app, caller, read.turn)
    number = await count(app, caller, turn, context)
    document = {"object": "response.input_tokens", "input_tokens": number}
    return json_response(document, ignored_header(read.ignored) | truncated_header(context.dropped))


async def stream(events: AsyncGenerator[Event, None], *, is_open: bool = False) -> AsyncGenerator[bytes, None]:
    """Events as server-sent ones. `is_open`: the stream begins before the first one is there."""
    async with aclosing(events):
        if is_open:
            yield b""
        async for event in events:
            yield encode_event(event)
        yield DONE


def encode_event(event: Event) -> bytes:
    """One server-sent event."""
    name: str = event["type"]
    return b"event: " + name.encode() + b"\ndata: " + encode(event) + b"\n\n"


async def retrieve_response(request: Request) -> Response:
    """GET /v1/responses/{id}, whole or, with `stream`, its events after `starting_after`."""
    include = include_of(request)
    if _boolean(request, "stream"):
        after = _whole_number(request, "starting_after", -1)
        return await _followed(request, request.path_params["response_id"], after, {})
    document = await to_thread.run_sync(
        reading.read, app_of(request), caller_of(request), request.path_params["response_id"], include
    )
    return json_response(document)


async def _followed(request: Request, response_id: str, after: int, headers: Mapping[str, str]) -> Response:
    """A stream of what is logged of a background response. It opens at once, however long the next event takes."""
    background, caller = background_of(request), caller_of(request)
    await to_thread.run_sync(background.check, caller, response_id)
    return EventStream(stream(background.follow(caller, response_id, after), is_open=True), headers)


async def cancel_response(request: Request) -> Response:
    """POST /v1/responses/{id}/cancel."""
    response_id = request.path_params["response_id"]
    document = await to_thread.run_sync(cancel, app_of(request), caller_of(request), response_id)
    background_of(request).cancel(response_id)
    return json_response(document)


async def delete_response(request: Request) -> Response:
    """DELETE /v1/responses/{id}."""
    response_id = request.path_params["response_id"]
    await to_thread.run_sync(reading.delete, app_of(request), caller_of(request), response_id)
    background_of(request).cancel(response_id)
    return json_response({"id": response_id, "object": "response", "deleted": True})


async def list_input_items(request: Request) -> Response:
    """GET /v1/responses/{id}/input_items."""
    page, include = page_request(request), include_of(request)
    items, has_more = await to_thread.run_sync(
        reading.input_items, app_of(request), caller_of(request), request.path_params["response_id"], page, include
    )
    return json_response(list_document(items, has_more))


async def compact_response(request: Request) -> Response:
    """POST /v1/responses/compact."""
    app, caller = app_of(request), caller_of(request)
    body = await guarded(app, caller, await request.body())
    wire = parse(CompactRequest, body.content)
    read = await app.workers.run(
        len(body.content), to_compacted_turn, app, caller, wire, request_id(request), body.guard
    )
    turn, context = await prepare(app, caller, read.turn)
    return WholeAnswer(lambda: _compacted(app, caller, turn, context), ignored_header(read.ignored))


def truncated_header(dropped: Sequence[str]) -> dict[str, str]:
    """`x-owngpt-truncated`, where items were left out: their ids."""
    return {"x-owngpt-truncated": header_value(dropped)} if dropped else {}


def include_of(request: Request) -> frozenset[str]:
    """From `include` or `include[]`. Raises `InvalidRequest` for what nobody knows."""
    names = [*request.query_params.getlist("include"), *request.query_params.getlist("include[]")]
    for name in names:
        if name not in get_args(Include):
            raise InvalidRequest(
                f"Invalid value for 'include': {shown(name)}. Supported values are: {', '.join(get_args(Include))}.",
                param="include",
                code="invalid_value",
            )
    return frozenset(names)


def background_of(request: Request) -> BackgroundResponses:
    """What makes background responses here."""
    return next(work for work in app_of(request).background if isinstance(work, BackgroundResponses))


def revive(app: App, caller: Caller, job: Job) -> Turn:
    """The turn of a background response, from the request that was kept."""
    body, guard = unsealed(job.request.encode(), seal_of(app, caller)), app.privacy.guard(caller, job.response_id)
    return to_turn(app, caller, parse(ResponseRequest, body), body, request_id=job.response_id, guard=guard).turn


def _boolean(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false").lower()
    if text not in ("true", "false"):
        raise InvalidRequest(f"Invalid value for {name!r}: {shown(text)}. Use true or false.", param=name)
    return text == "true"


def _whole_number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidRequest(f"Invalid {name!r}: expected a whole number, but got {shown(text)} instead.", param=name)
    return int(text)


def json_response(document: Any, headers: Mapping[str, str] | None = None) -> Response:
    """A whole answer that is there already."""
    return Response(encode(document), media_type="application/json", headers=headers)


def _read(request: Request, body: Body) -> tuple[ResponseRequest, ReadTurn]:
    wire = parse(ResponseRequest, body.content)
    read = to_turn(
        app_of(request),
        caller_of(request),
        wire,
        body.content,
        request_id=request_id(request),
        patience=patience(request),
        guard=body.guard,
    )
    return wire, read


async def _whole(app: App, caller: Caller, turn: Turn, context: Context) -> bytes:
    return encode(await respond_whole(app, caller, turn, context))


async def _compacted(app: App, caller: Caller, turn: Turn, context: Context) -> bytes:
    return encode(await compact(app, caller, turn, context))


ROUTES = (
    Route("/v1/responses", create_response, methods=["POST"]),
    Route("/v1/responses/input_tokens", count_input_tokens, methods=["POST"]),
    Route("/v1/responses/compact", compact_response, methods=["POST"]),
    Route("/v1/responses/{response_id}", retrieve_response, methods=["GET"]),
    Route("/v1/responses/{response_id}", delete_response, methods=["DELETE"]),
    Route("/v1/responses/{response_id}/cancel", cancel_response, methods=["POST"]),
    Route("/v1/responses/{response_id}/input_items", list_input_items, methods=["GET"]),
)

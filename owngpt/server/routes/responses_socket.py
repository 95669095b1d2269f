"""Responses over a WebSocket at /v1/responses: each `response.create` message is one response, one after the other.

The connection remembers its latest responses, also those that are not stored, so that the next one can follow them.
Events are those of a stream; what goes wrong is an `error` envelope with a status (Open Responses, "WebSocket
Transport"; OpenAI's OpenAPI description, `ResponsesClientEvent`).
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from anyio import to_thread
from pydantic import Field
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from owngpt.errors import InvalidRequest, Overloaded, RequestError
from owngpt.server.errors import error_body, error_response
from owngpt.server.routes.responses_body import Body, guarded
from owngpt.server.schemas.answer import encode
from owngpt.server.schemas.base import parse
from owngpt.server.schemas.responses.request import ResponseRequest
from owngpt.server.schemas.responses.turn import to_turn
from owngpt.service.app import App, Caller
from owngpt.service.callers import check_scope, recall
from owngpt.service.failures import as_request_error
from owngpt.service.privacy import Guard
from owngpt.service.responses.answer import respond
from owngpt.service.responses.history import Remembered, prepare
from owngpt.service.responses.open_items import Event
from owngpt.service.responses.sources import quoted_now

SCOPE = "api.responses.write"
MAX_SECONDS = 3600.0  # of a connection
MAX_CONNECTIONS = 256  # of one project
MAX_WAITING = 4  # messages that have come and are not answered yet; more are not read
MAX_REMEMBERED = 4  # responses
_CODES = {400: "invalid_request", 401: "invalid_api_key", 404: "not_found"}  # where an error has none


class CreateMessage(ResponseRequest):
    """What a client sends."""

    type: Literal["response.create"]
    stream_id: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9_.-]+$")] | None = None


async def serve_responses(websocket: WebSocket) -> None:
    """One connection, until its client leaves or its time is over. Each project has so many at the same time."""
    counts, project_id = _connections(websocket), websocket.scope["state"]["caller"].project_id
    if counts[project_id] >= MAX_CONNECTIONS:
        crowd = Overloaded(f"This project has {MAX_CONNECTIONS} connections; close one of them first.")
        await websocket.send_denial_response(error_response(crowd))
        return
    counts[project_id] += 1
    try:
        await _serve(websocket)
    finally:
        counts[project_id] -= 1


def _connections(websocket: WebSocket) -> Counter[str]:
    """How many each project has, in this process."""
    state = websocket.app.state
    if not hasattr(state, "num_sockets"):
        state.num_sockets = Counter()
    counts: Counter[str] = state.num_sockets
    return counts


async def _serve(websocket: WebSocket) -> None:
    await websocket.accept()
    connection = _Connection(websocket)
    reader = asyncio.create_task(connection.read())
    try:
        async with asyncio.timeout(MAX_SECONDS):
            await connection.answer_all()
    except TimeoutError:
        await connection.send_error(_over())
        await websocket.close(1000)
    except WebSocketDisconnect:
        pass
    finally:
        reader.cancel()


@dataclass
class _Connection:
    """What one connection knows."""

    websocket: WebSocket
    messages: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))
    remembered: OrderedDict[str, Remembered] = field(default_factory=OrderedDict)
    work: asyncio.Task[None] | None = None
    guard: Guard | None = None  # with the placeholders that were given on this connection

    @property
    def app(self) -> App:
        app = self.websocket.app.state.app
        assert isinstance(app, App)
        return app

    async def read(self) -> None:
        """Take messages as they come. When the client leaves, what runs for it ends."""
        try:
            while True:
                message = await self.websocket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                await self.messages.put(message.get("bytes") or (message.get("text") or "").encode())
        finally:
            if self.work is not None:
                self.work.cancel()
            await self.messages.put(None)

    async def answer_all(self) -> None:
        """One message after the other."""
        while (message := await self.messages.get()) is not None:
            self.work = asyncio.create_task(self._answer(message))
            try:
                await asyncio.wait({self.work})
            finally:
                self.work.cancel()
            if self.work.cancelled():
                return
            self.work.result()

    async def _answer(self, message: bytes) -> None:
        stream_id = previous = None
        try:
            body = await guarded(self.app, await self._caller(), message, self.guard)
            self.guard = body.guard
            wire = parse(CreateMessage, body.content)
            stream_id, previous = wire.stream_id, wire.previous_response_id
            if wire.background:
                raise InvalidRequest("'background' is not supported over WebSocket.", param="background")
            await self._respond(wire, body)
        except WebSocketDisconnect:
            raise
        except Exception as error:
            if previous is not None:
                self.remembered.pop(previous, None)
            await self.send_error(as_request_error(error, self._request_id), stream_id)

    async def _respond(self, wire: CreateMessage, body: Body) -> None:
        app, caller = self.app, await self._caller()
        read = await app.workers.run(
            len(body.content),
            lambda: to_turn(app, caller, wire, body.content, request_id=self._request_id, guard=body.guard),
        )
        turn, context = await prepare(app, caller, read.turn, self.remembered)
        last: Event | None = None
        whole: list[dict[str, Any]] = []
        async with aclosing(respond(app, caller, turn, context, whole.append)) as events:
            async for last in events:
                told = {"ignored": read.ignored} if read.ignored and last["type"] == "response.created" else {}
                await self._send({**_enveloped(last), **told}, wire.stream_id)
        assert last is not None
        if last["response"]["status"] == "failed":
            self.remembered.pop(wire.previous_response_id or "", None)
        else:
            quoted = await to_thread.run_sync(quoted_now, app, caller, context, whole[-1])
            self._remember(turn.id, Remembered([*context.items, *last["response"]["output"]], quoted))

    async def _caller(self) -> Caller:
        """Who is on the line, with the rights that the key has now."""
        caller = self.websocket.scope["state"]["caller"]
        assert isinstance(caller, Caller)
        found = await to_thread.run_sync(recall, self.app.keys, caller.key_id)
        check_scope(found, SCOPE)
        return found

    def _remember(self, response_id: str, response: Remembered) -> None:
        self.remembered[response_id] = response
        while len(self.remembered) > MAX_REMEMBERED:
            self.remembered.popitem(last=False)

    async def send_error(self, error: RequestError, stream_id: str | None = None) -> None:
        """An error envelope."""
        await self._send(_envelope(error), stream_id)

    async def _send(self, event: Event, stream_id: str | None) -> None:
        lane = {} if stream_id is None else {"stream_id": stream_id}
        await self.websocket.send_text(encode({**event, **lane}).decode())

    @property
    def _request_id(self) -> str:
        return str(self.websocket.scope["state"]["request_id"])


def _envelope(error: RequestError) -> Event:
    body = error_body(error)["error"]
    code = body["code"] or _CODES.get(error.status, "server_error")
    return {"type": "error", "status": error.status, "error": {**body, "code": code}}


def _enveloped(event: Event) -> Event:
    """An event of the stream; its flat `error` becomes an envelope."""
    if event["type"] != "error":
        return event
    payload = {"type": "server_error", "code": event["code"], "message": event["message"], "param": event["param"]}
    return {"type": "error", "status": 500, "sequence_number": event["sequence_number"], "error": payload}


def _over() -> InvalidRequest:
    return InvalidRequest(
        f"Responses websocket connection limit reached ({MAX_SECONDS / 60:g} minutes). Create a new websocket "
        "connection to continue.",
        code="websocket_connection_limit_reached",
    )


ROUTES = (WebSocketRoute("/v1/responses", serve_responses),)

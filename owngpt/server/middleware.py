"""Pure ASGI layers around the routes: headers, cross-origin rules, draining, body size. Each knows one thing."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator

from anyio import move_on_after
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from owngpt.config import ServerConfig
from owngpt.errors import PayloadTooLarge, PermissionDenied, ServiceUnavailable
from owngpt.server.errors import error_response
from owngpt.service.app import Caller
from owngpt.service.rate_limits import Reading, Readings, duration, readings

API_VERSION = b"2020-10-01"
REQUEST_ID = "owngpt.request_id"  # where a part of this server that calls another puts the id; no HTTP client can
FORM_BYTES = 1024**2  # what a form may have beside its file
_FILE_ROUTES = re.compile(r"/v1/files|/v1/uploads/[^/]+/parts")
EXPOSED_HEADERS = (
    "openai-organization",
    "openai-processing-ms",
    "openai-project",
    "openai-version",
    "retry-after",
    "retry-after-ms",
    "x-owngpt-ignored",
    "x-owngpt-receipt",
    "x-owngpt-truncated",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "x-request-id",
    "x-should-retry",
)


class HeadersMiddleware:
    """Gives each request its id, and each answer the headers that OpenAI's clients log.

    `x-ratelimit-*` say the tightest of the limits that the caller's project has for what it asked. Where it has none
    on requests, there is one limit only, which is everybody's: how many generations the server takes at once. `room`
    tells that, and how many more it would take now.
    """

    def __init__(self, app: ASGIApp, room: Callable[[], tuple[int, int]]) -> None:
        self.app = app
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        state = scope.setdefault("state", {})
        state["request_id"] = scope.get(REQUEST_ID) or f"req_{secrets.token_hex(16)}"
        limits = Readings()
        readings.set(limits)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                milliseconds = round((time.perf_counter() - start) * 1000)
                headers = self._headers(state["request_id"], milliseconds, state.get("caller"), limits)
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _headers(
        self, request_id: str, milliseconds: int, caller: Caller | None, limits: Readings
    ) -> Iterator[tuple[bytes, bytes]]:
        yield b"x-request-id", request_id.encode()
        yield b"openai-version", API_VERSION
        yield b"openai-processing-ms", b"%d" % milliseconds
        if caller is not None:
            yield b"openai-organization", caller.organization_id.encode()
            yield b"openai-project", caller.project_id.encode()
            yield from _limit_headers("requests", limits.requests or self._in_flight())
            if limits.tokens is not None:
                yield from _limit_headers("tokens", limits.tokens)

    def _in_flight(self) -> Reading:
        capacity, remaining = self._room()
        return Reading(capacity, remaining, 0.0 if remaining == capacity else 1.0)


def _limit_headers(kind: str, reading: Reading) -> Iterator[tuple[bytes, bytes]]:
    yield f"x-ratelimit-limit-{kind}".encode(), b"%d" % reading.limit
    yield f"x-ratelimit-remaining-{kind}".encode(), b"%d" % reading.remaining
    yield f"x-ratelimit-reset-{kind}".encode(), duration(reading.reset).encode()


class CrossOriginMiddleware(CORSMiddleware):
    """Lets pages of the configured origins call the API. Others are refused in OpenAI's shape."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        super().__init__(
            app, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=EXPOSED_HEADERS
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        if not self.is_allowed_origin(request_headers["origin"]):
            return error_response(PermissionDenied("this origin is not among the server's `cors_origins`"))
        return super().preflight_response(request_headers)


class DrainMiddleware:
    """While the server drains, new requests get a 503 that says when to try again; what runs goes on."""

    def __init__(self, app: ASGIApp, is_draining: Callable[[], bool], is_exempt: Callable[[Scope], bool]) -> None:
        self.app = app
        self._is_draining = is_draining
        self._is_exempt = is_exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._is_draining() and not self._is_exempt(scope):
            response = error_response(ServiceUnavailable("the server is about to stop; try again in a moment"))
            response.headers["connection"] = "close"
            await response(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def body_limits(config: ServerConfig) -> Callable[[Scope], int]:
    """How many bytes the body of a request may have: those that carry a file are the exception."""

    def limit(scope: Scope) -> int:
        has_file = scope["method"] == "POST" and _FILE_ROUTES.fullmatch(scope["path"])
        return config.max_file_bytes + FORM_BYTES if has_file else config.max_body_bytes

    return limit


class BodyLimitMiddleware:
    """Answers 413 to a body over its `limit`: from its Content-Length, or as soon as its chunks are over."""

    def __init__(self, app: ASGIApp, limit: Callable[[Scope], int]) -> None:
        self.app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        max_bytes = self._limit(scope)
        body = _LimitedBody(receive, send, max_bytes)
        if declared_length(scope) > max_bytes:
            body.refuse()
            await error_response(body.error)(scope, receive, body.send)
            return
        try:
            await self.app(scope, body.receive, body.send)
        except PayloadTooLarge as error:
            if body.is_started:
                raise
            await error_response(error)(scope, receive, body.send)


class _LimitedBody:
    """The two directions of a request whose body is counted."""

    LINGER_BYTES = 64 * 1024**2
    LINGER_SECONDS = 2.0

    def __init__(self, receive: Receive, send: Send, max_bytes: int) -> None:
        self._receive, self._send = receive, send
        self._max_bytes = max_bytes
        self._size = 0
        self._is_refused = False
        self.is_started = False
        self.error = PayloadTooLarge(f"the body is over {max_bytes} bytes, which is the most this server takes")

    def refuse(self) -> None:
        self._is_refused = True

    async def receive(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > self._max_bytes:
            self.refuse()
            raise self.error
        return message

    async def send(self, message: Message) -> None:
        if self._is_refused and message["type"] == "http.response.start":
            MutableHeaders(scope=message)["connection"] = "close"
        self.is_started = True
        if self._is_refused and message["type"] == "http.response.body" and not message.get("more_body"):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body"}
        await self._send(message)

    async def _linger(self) -> None:
        """Discard what the client is still sending, for a while: closing at once would reset the connection, and
        a client that sends its whole body before it reads would never see the answer."""
        discarded = 0
        with move_on_after(self.LINGER_SECONDS):
            while discarded < self.LINGER_BYTES:
                message = await self._receive()
                discarded += len(message.get("body", b""))
                if not message.get("more_body"):
                    return


def declared_length(scope: Scope) -> int:
    """The Content-Length, 0 where there is none (the HTTP parser has refused what is not a number)."""
    value = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(value) if value.isdigit() else 0

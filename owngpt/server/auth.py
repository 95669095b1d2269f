"""The door: no key, no answer. Everything is closed but a few paths that hold no data.

A key that was used within the last seconds is known from memory; otherwise the database is read in a worker thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from anyio import to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from owngpt.errors import AuthenticationFailed, RequestError
from owngpt.server.console import PATHS as CONSOLE_PATHS
from owngpt.server.errors import error_response
from owngpt.service.app import Caller
from owngpt.service.organization.door import Door

PUBLIC_PATHS = frozenset({"/health", "/ready", *CONSOLE_PATHS})
INSIDE = "owngpt.caller"  # where a part of this server that calls another puts its `Caller`; no HTTP client can
TOUCH_SECONDS = 60.0  # how often at most a key's last use is written


class AuthMiddleware:
    """Puts the `Caller` into `scope["state"]["caller"]`, or answers 401 in OpenAI's shape."""

    def __init__(self, app: ASGIApp, door: Door, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.app = app
        self._door = door
        self._clock = clock
        self._touched: dict[str, float] = {}  # key id -> when its last use was written

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or is_public(scope):
            await self.app(scope, receive, send)
            return
        if isinstance(caller := scope.get(INSIDE), Caller):
            scope.setdefault("state", {})["caller"] = caller
            await self.app(scope, receive, send)
            return
        try:
            caller = await self._authenticate(scope)
        except AuthenticationFailed as error:
            await refuse(error, scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self.app(scope, receive, send)
        await self._note_use(caller)

    async def _authenticate(self, scope: Scope) -> Caller:
        secret = bearer_token(scope)
        if (known := self._door.peek(secret)) is not None:
            return known
        return await to_thread.run_sync(self._door.open, secret, address_of(scope))

    async def _note_use(self, caller: Caller) -> None:
        """Write the last use of a key; after the answer, so that nobody waits for the disk."""
        now = self._clock()
        if now - self._touched.get(caller.key_id, -TOUCH_SECONDS) >= TOUCH_SECONDS:
            self._touched[caller.key_id] = now
            await to_thread.run_sync(self._door.touch, caller)


def address_of(scope: Scope) -> str | None:
    """The address that the client connects from, where it has one."""
    client = scope.get("client")
    return str(client[0]) if client else None


def is_public(scope: Scope) -> bool:
    """Whether anybody may read this path: the two probes, and the console's own files."""
    return scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and scope["path"] in PUBLIC_PATHS


def bearer_token(scope: Scope) -> str:
    """The secret in the Authorization header. Raises `AuthenticationFailed` if there is none."""
    header = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), "")
    scheme, _, secret = header.strip().partition(" ")
    if not header:
        raise AuthenticationFailed(
            "You didn't provide an API key. Send it in the Authorization header: `Authorization: Bearer YOUR_KEY`."
        )
    if scheme.lower() != "bearer" or not secret.strip():
        raise AuthenticationFailed(
            "The Authorization header is malformed; it must be `Authorization: Bearer YOUR_KEY`."
        )
    return secret.strip()


async def refuse(error: RequestError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the error; a WebSocket whose server cannot answer so is closed before it opens (403)."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": error.code or "refused"})
    else:
        await error_response(error)(scope, receive, send)

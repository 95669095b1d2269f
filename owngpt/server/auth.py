"""The door: no key, no answer. Everything is closed but a few paths that hold no data.

A key that was used within the last seconds is known from memory; otherwise the database is read in a worker thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from anyio import to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from owngpt.errors import AuthenticationFailed
from owngpt.server.console import PATHS as CONSOLE_PATHS
from owngpt.server.errors import error_response
from owngpt.service.app import Caller
from owngpt.store.keys import PREFIX, Key, Keys

PUBLIC_PATHS = frozenset({"/health", "/ready", *CONSOLE_PATHS})
INSIDE = "owngpt.caller"  # where a part of this server that calls another puts its `Caller`; no HTTP client can
TOUCH_SECONDS = 60.0  # how often at most a key's last use is written


class AuthMiddleware:
    """Puts the `Caller` into `scope["state"]["caller"]`, or answers 401 in OpenAI's shape."""

    def __init__(self, app: ASGIApp, keys: Keys, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.app = app
        self._keys = keys
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
            key = await self._authenticate(scope)
        except AuthenticationFailed as error:
            await _refuse(error, scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = _caller(key)
        await self.app(scope, receive, send)
        await self._note_use(key)

    async def _authenticate(self, scope: Scope) -> Key:
        secret = bearer_token(scope)
        key = self._keys.peek(secret) or await to_thread.run_sync(self._keys.find, secret)
        if key is None:
            raise AuthenticationFailed(
                f"Incorrect API key provided: {mask(secret)}. `owngpt keys list` shows the keys of this server."
            )
        if key.revoked_at is not None:
            raise AuthenticationFailed(f"The API key {mask(secret)} has been revoked. Use another one.")
        return key

    async def _note_use(self, key: Key) -> None:
        """Write the last use of a key; after the answer, so that nobody waits for the disk."""
        now = self._clock()
        if now - self._touched.get(key.id, -TOUCH_SECONDS) >= TOUCH_SECONDS:
            self._touched[key.id] = now
            await to_thread.run_sync(self._keys.touch, key.id)


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


def mask(secret: str) -> str:
    """Enough of a key to recognize it by, too little to use it."""
    if len(secret) < 16:
        return "***"
    return f"{secret[: len(PREFIX)] if secret.startswith(PREFIX) else secret[:3]}***{secret[-4:]}"


def _caller(key: Key) -> Caller:
    return Caller(key.project_id, key.project_name, key.organization_id, key.id, key.is_admin)


async def _refuse(error: AuthenticationFailed, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 401; a WebSocket whose server cannot answer so is closed before it opens (403)."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "invalid API key"})
    else:
        await error_response(error)(scope, receive, send)

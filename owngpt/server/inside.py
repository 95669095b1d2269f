"""Calls from one part of this server to its routes: without a socket or a key, and through every check there is."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message

from owngpt.server.auth import INSIDE
from owngpt.server.middleware import REQUEST_ID
from owngpt.service.app import Caller
from owngpt.service.batch_lines import Answer


class InsideCalls:
    """POSTs JSON to the routes of `server`, in the name of a caller."""

    def __init__(self, server: ASGIApp) -> None:
        self._server = server

    async def __call__(self, caller: Caller, path: str, body: bytes, request_id: str) -> Answer:
        """Return when the answer is whole. Cancelled, it ends the request as a client does that hangs up."""
        exchange = _Exchange(body)
        await self._server(self._scope(caller, path, body, request_id), exchange.receive, exchange.send)
        return exchange.answer()

    def _scope(self, caller: Caller, path: str, body: bytes, request_id: str) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))],
            "client": None,
            "server": None,
            "state": {},
            INSIDE: caller,
            REQUEST_ID: request_id,
        }


class _Exchange:
    """The two directions of one request."""

    def __init__(self, body: bytes) -> None:
        self._messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._status, self._headers = 0, dict[str, str]()
        self._body = bytearray()

    async def receive(self) -> Message:
        if not self._messages:
            await asyncio.Event().wait()  # who calls from inside never hangs up
        return self._messages.pop()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = {name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")

    def answer(self) -> Answer:
        assert self._status, "the route has answered nothing"
        return Answer(self._status, self._headers, bytes(self._body))

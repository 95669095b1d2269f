"""Streamed answers, as lines of server-sent events: from a server elsewhere, or from an application in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

from anyio.from_thread import BlockingPortal
from starlette.types import ASGIApp, Message

from owngpt.cli.remote import AnswerFailed, opened, said

CHATS = "chat/completions"  # below /v1
TIMEOUT_SECONDS = 600.0  # between two bytes, as the official clients have it


class Delta(NamedTuple):
    """A piece of an answer."""

    text: str
    is_thinking: bool


class Answers(Protocol):
    """Whoever answers the requests of one route."""

    def lines(self, request: dict[str, Any]) -> AbstractContextManager[Iterator[bytes]]:
        """The lines of a streamed answer; leaving the context ends it. Raises `AnswerFailed`."""
        ...


def events(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """The chunks in a stream of server-sent events. Raises `AnswerFailed`."""
    for line in lines:
        data = line.strip().removeprefix(b"data: ")
        if not line.startswith(b"data: ") or data == b"[DONE]":
            continue
        chunk = json.loads(data)
        if "error" in chunk:
            raise AnswerFailed(chunk["error"]["message"])
        yield chunk


def deltas(lines: Iterator[bytes]) -> Iterator[Delta]:
    """The pieces of text in a stream of server-sent events. Raises `AnswerFailed`."""
    for chunk in events(lines):
        for choice in chunk["choices"]:
            if thought := choice["delta"].get("reasoning_content"):
                yield Delta(thought, is_thinking=True)
            if text := choice["delta"].get("content"):
                yield Delta(text, is_thinking=False)


class ServerAnswers:
    """A server that runs elsewhere, at `base_url` (it ends with /v1)."""

    def __init__(self, base_url: str, api_key: str, route: str = CHATS) -> None:
        self._url, self._api_key = f"{base_url.rstrip('/')}/{route}", api_key

    @contextmanager
    def lines(self, request: dict[str, Any]) -> Iterator[Iterator[bytes]]:
        with opened(self._url, self._api_key, json.dumps(request).encode(), seconds=TIMEOUT_SECONDS) as response:
            yield iter(response)


class AppAnswers:
    """An application in this process, whose event loop runs behind `portal`."""

    def __init__(self, app: ASGIApp, portal: BlockingPortal, api_key: str, route: str = CHATS) -> None:
        self._app, self._portal, self._api_key, self._route = app, portal, api_key, route

    @contextmanager
    def lines(self, request: dict[str, Any]) -> Iterator[Iterator[bytes]]:
        call = _Call(f"/v1/{self._route}", json.dumps(request).encode(), self._api_key)
        future = self._portal.start_task_soon(call.run, self._app)
        try:
            yield call.lines()
        finally:
            self._portal.call(call.hang_up)
            future.result()


class _Call:
    """One request to an ASGI application: sent from the event loop, read from another thread."""

    def __init__(self, path: str, body: bytes, api_key: str) -> None:
        self._path = path
        self._body: bytes | None = body
        self._authorization = f"Bearer {api_key}".encode()
        self._parts: SimpleQueue[Message | None] = SimpleQueue()
        self._is_gone = asyncio.Event()

    async def run(self, app: ASGIApp) -> None:
        headers = [(b"authorization", self._authorization), (b"content-type", b"application/json")]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": self._path,
            "raw_path": self._path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": headers,
        }
        try:
            await app(scope, self._receive, self._send)
        finally:
            self._parts.put(None)

    async def hang_up(self) -> None:
        """Tell the application that nobody reads any more."""
        self._is_gone.set()

    async def _receive(self) -> Message:
        if self._body is None:
            await self._is_gone.wait()
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: Message) -> None:
        self._parts.put(message)

    def lines(self) -> Iterator[bytes]:
        """The body, line by line."""
        start = self._parts.get()
        status = 500 if start is None else start["status"]
        if status != 200:
            raise AnswerFailed(said(b"".join(self._chunks()), status))
        rest = b""
        for chunk in self._chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines

    def _chunks(self) -> Iterator[bytes]:
        while (part := self._parts.get()) is not None:
            yield part.get("body", b"")

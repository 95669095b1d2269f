"""Real MCP servers of the tests: the official library's, over loopback, by streamable HTTP or server-sent events."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import sleep
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from owngpt.config import McpConfig
from owngpt.server.listen import bind
from owngpt.service.app import App
from owngpt.service.responses.mcp.access import Access


class Heard:
    """An ASGI app that remembers the headers and bodies of what comes, before another one answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.headers: list[dict[str, str]] = []
        self.messages: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def heard() -> Any:
            message = await receive()
            self.messages.append(message.get("body", b""))
            return message

        if scope["type"] == "http":
            self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await self.app(scope, heard if scope["type"] == "http" else receive, send)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # they belong to the main thread
        yield


@contextmanager
def listening(app: ASGIApp) -> Iterator[str]:
    """Serve an ASGI app until the context is left; -> its URL without a path."""
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(app, log_config=None, log_level="critical", timeout_graceful_shutdown=1)
    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="mcp-test-server")
    thread.start()
    while not server.started and thread.is_alive():
        sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


def allow(app: App, *entries: str, seconds: float = 20.0) -> App:
    """The App, as if its operator had set `mcp_servers` and `mcp_seconds`."""
    app.settings = replace(app.settings, mcp=McpConfig(entries, seconds))
    app.mcp = Access(entries)
    return app

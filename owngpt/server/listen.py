"""Runs an ASGI application with uvicorn in this process: binds first, stops in order.

The first SIGTERM or SIGINT drains: requests that run go on, new ones get a 503, then the server stops. A second one
ends the process at once.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

import uvicorn
from starlette.types import ASGIApp

from owngpt.errors import ConfigError
from owngpt.server.connection import Connection
from owngpt.waiting import within

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
BACKLOG = 2048
LAST_BYTES_SECONDS = 1  # after draining, for answers that are written but not yet sent


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens; who connects waits until the server runs. Port 0 is any free one. Raises `ConfigError`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with ExitStack() as undo:
            listener = undo.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
            undo.pop_all()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"port {port} of {host} is in use; choose another one with --port") from error
        raise ConfigError(f"cannot listen on {host}, port {port}: {error.strerror}") from error
    return listener


def base_url(host: str, listener: socket.socket) -> str:
    """What clients set as their base URL."""
    port = listener.getsockname()[1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


class Server(uvicorn.Server):
    """uvicorn with our own way to stop. `drain` returns when no admitted request runs any more."""

    def __init__(
        self, app: ASGIApp, drain: Callable[[], Awaitable[None]], drain_seconds: float, max_message: int = 8 * 1024**2
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                ws="websockets-sansio",
                ws_max_size=max_message,
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=LAST_BYTES_SECONDS,
            )
        )
        self._drain = drain
        self._drain_seconds = drain_seconds
        self._stopping: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Called by uvicorn around its run."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def _on_signal(self, number: int) -> None:
        if self._stopping is not None:
            os._exit(128 + number)
        self._stopping = asyncio.create_task(self._stop())

    async def _stop(self) -> None:
        try:
            await within(self._drain_seconds, self._drain())
        except TimeoutError:
            logger.warning("stopping with requests still running after %s s", self._drain_seconds)
        self.should_exit = True

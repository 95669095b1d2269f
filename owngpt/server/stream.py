"""Answers that take a while: server-sent events, and whole answers. A client that leaves ends the work for it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from owngpt.server.errors import error_event
from owngpt.service.failures import as_request_error

DONE = b"data: [DONE]\n\n"


class LongResponse(Response, ABC):
    """A response whose work starts when it is sent, and is cancelled when the client hangs up."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        has_left = asyncio.Event()
        listener = asyncio.create_task(_cancel_on_disconnect(receive, task, has_left))
        try:
            await self.answer(scope, send)
        except asyncio.CancelledError:
            if not has_left.is_set():
                raise
            task.uncancel()
        finally:
            listener.cancel()

    @abstractmethod
    async def answer(self, scope: Scope, send: Send) -> None:
        """Do the work and send the result."""


class WholeAnswer(LongResponse):
    """Waits for a body and sends it in one piece."""

    def __init__(self, work: Callable[[], Awaitable[bytes]], headers: Mapping[str, str]) -> None:
        super().__init__({"content-type": "application/json", **headers})
        self._work = work

    async def answer(self, scope: Scope, send: Send) -> None:
        body = await self._work()
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*self.raw_headers, length]})
        await send({"type": "http.response.body", "body": body})


class EventStream(LongResponse):
    """Sends an async generator of encoded server-sent events.

    The first item (it may be empty) means that the request is admitted: until then an error becomes an ordinary
    error response; afterwards it becomes the stream's last event.
    """

    def __init__(self, events: AsyncGenerator[bytes, None], headers: Mapping[str, str]) -> None:
        kind = {"content-type": "text/event-stream; charset=utf-8"}
        super().__init__({**kind, "cache-control": "no-cache", "x-accel-buffering": "no", **headers})
        self._events = events

    async def answer(self, scope: Scope, send: Send) -> None:
        has_started = False
        try:
            async for event in self._events:
                if not has_started:
                    has_started = True
                    await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await send({"type": "http.response.body", "body": event, "more_body": True})
        except Exception as error:
            if not has_started:
                raise
            event = error_event(as_request_error(error, scope["state"]["request_id"]))
            await send({"type": "http.response.body", "body": event, "more_body": True})
        finally:
            await self._events.aclose()
        await send({"type": "http.response.body", "body": b""})


async def _cancel_on_disconnect(receive: Receive, task: asyncio.Task[object], has_left: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    has_left.set()
    task.cancel()

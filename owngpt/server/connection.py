"""One HTTP connection: uvicorn's, with the bounds that it lacks. It knows bytes and clocks, no routes.

The parser takes a head of any size and waits for its end forever, before anybody has asked for a key; so heads are
bounded in size and time here, bodies in the time between two pieces, and so is the time that a client may leave its
answer unread. What cannot be parsed is refused in OpenAI's shape, like every other error.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from owngpt.errors import HeadTooLarge, InvalidRequest, RequestError, RequestTimeout, ServiceUnavailable
from owngpt.server.errors import error_response

_FIELD_BYTES = 64  # what a header costs beside its letters


class Connection(HttpToolsProtocol):
    """Refuses or drops a client that sends endlessly, or that does not send or read at all."""

    MAX_HEAD_BYTES = 64 * 1024  # request line, headers, and the trailers of a chunked body
    HEAD_SECONDS = 30.0  # from the connection, or the first byte of a request, to the end of its head
    BODY_SECONDS = 60.0  # from one piece of a body to the next
    UNREAD_SECONDS = 120.0  # that a client may leave its answer unread
    LINGER_SECONDS = 1.0  # after a refusal, for the client to read it

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._is_in_head = True
        self._is_refused = False
        self._patience: asyncio.TimerHandle | None = None  # with what the client has to send
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait(self.HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._head_bytes += len(data) if self._is_in_head else 0
        super().data_received(data)
        if self._is_in_head and self._head_bytes > self.MAX_HEAD_BYTES:
            self._refuse(self._too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes, self._is_in_head = 0, True
        self._wait(self.HEAD_SECONDS)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + _FIELD_BYTES
        if self._head_bytes > self.MAX_HEAD_BYTES:
            raise self._too_large()
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()
        self._wait(self.BODY_SECONDS)

    def handle_websocket_upgrade(self) -> None:
        """From here on another protocol has the connection."""
        self._stop_waiting()
        super().handle_websocket_upgrade()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._wait(self.BODY_SECONDS)

    def on_message_complete(self) -> None:
        self._stop_waiting()
        super().on_message_complete()

    def shutdown(self) -> None:
        """Called by uvicorn when the server ends. A request whose body has not come by now is refused."""
        cycle = self.cycle
        if cycle is None or cycle.response_started or not cycle.more_body:
            super().shutdown()
            return
        self._refuse(ServiceUnavailable("the server is about to stop; send the request again in a moment"))
        cycle.disconnected = True  # for the route, which waits for the rest
        cycle.message_event.set()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for what its parser does not take."""
        too_large = self._head_bytes > self.MAX_HEAD_BYTES
        self._refuse(self._too_large() if too_large else InvalidRequest("This is not a valid HTTP request."))

    def _refuse(self, error: RequestError) -> None:
        """Answer and close; at once where an answer is on its way already."""
        if self._is_refused:
            return
        self._is_refused = True
        self._stop_waiting()
        is_answering = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if is_answering or self.transport.is_closing():
            self.transport.close()
        else:
            self.transport.write(_encoded(error))
            self._linger()

    def _linger(self) -> None:
        """Close in a moment: with bytes of the client unread, a close is a reset that takes the answer along."""
        self.transport.write_eof()
        self._patience = self.loop.call_later(self.LINGER_SECONDS, self.transport.close)

    def _too_large(self) -> HeadTooLarge:
        return HeadTooLarge(f"the head of the request is over {self.MAX_HEAD_BYTES} bytes; send fewer headers")

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        late = RequestTimeout(f"the rest of the request did not come within {seconds:g} seconds")
        self._patience = self.loop.call_later(seconds, self._refuse, late)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _encoded(error: RequestError) -> bytes:
    """A whole answer on the wire."""
    response = error_response(error)
    response.headers["connection"] = "close"
    status = HTTPStatus(error.status)
    head = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
    head += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join([*head, b"", bytes(response.body)])

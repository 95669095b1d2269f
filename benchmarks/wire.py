"""HTTP for load: as little of it as possible, so that hundreds of clients fit beside the server that they drive.

One connection asks one thing after the other, sees when the first event came, and may hang up in the middle.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

LINE_BYTES = 2**22


@dataclass(slots=True)
class Answer:
    """What a client has seen. `documents` are the newest events of a stream, or the body."""

    status: int
    request_id: str
    first: float | None = None  # seconds until the first event with a part of the answer
    has_ended: bool = False
    num_events: int = 0
    documents: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=3))


class HungUp(Exception):
    """The client has gone on purpose."""


class Wire:
    """A kept-alive connection with a key. Raises `OSError` and `asyncio.IncompleteReadError` if the server ends it."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def post(self, path: str, body: dict[str, Any], hang_up_after: int | None = None) -> Answer:
        """Ask; leave in the middle after so many events, if that is said."""
        return await self.send("POST", path, json.dumps(body).encode(), hang_up_after=hang_up_after)

    async def send(
        self,
        method: str,
        path: str,
        data: bytes = b"",
        kind: str = "application/json",
        hang_up_after: int | None = None,
    ) -> Answer:
        """The same with any method and bytes."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=LINE_BYTES)
        reader, writer = self._streams
        start = time.perf_counter()
        writer.write(self._head(method, path, kind, len(data)) + data)
        try:
            answer, headers = await _head_of(reader)
            if headers.get("content-type", "").startswith("text/event-stream"):
                await _read_events(reader, answer, start, hang_up_after)
            else:
                await _read_body(reader, answer, headers)
            answer.has_ended = True
        except HungUp:
            self.close()
        except BaseException:
            self.close()
            raise
        return answer

    def _head(self, method: str, path: str, kind: str, size: int) -> bytes:
        lines = [f"{method} /v1{path} HTTP/1.1", "host: localhost", f"authorization: Bearer {self._key}"]
        lines += [f"content-type: {kind}", f"content-length: {size}", "", ""]
        return "\r\n".join(lines).encode()


async def _head_of(reader: asyncio.StreamReader) -> tuple[Answer, dict[str, str]]:
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    return Answer(int(status.split()[1]), headers.get("x-request-id", "")), headers


async def _read_body(reader: asyncio.StreamReader, answer: Answer, headers: dict[str, str]) -> None:
    answer.documents.append(json.loads(await reader.readexactly(int(headers["content-length"]))))


async def _read_events(reader: asyncio.StreamReader, answer: Answer, start: float, hang_up_after: int | None) -> None:
    """Server-sent events in a chunked body, of which only the newest are kept."""
    rest = b""
    while piece := await _chunk(reader):
        *events, rest = (rest + piece).split(b"\n\n")
        for event in events:
            data = event.partition(b"data: ")[2]
            if data and data != b"[DONE]":
                _take(answer, json.loads(data), start)
            if hang_up_after is not None and answer.num_events >= hang_up_after:
                raise HungUp


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    size = int(await reader.readuntil(b"\r\n"), 16)
    return (await reader.readexactly(size + 2))[:-2]


def _take(answer: Answer, document: dict[str, Any], start: float) -> None:
    answer.documents.append(document)
    answer.num_events += 1
    if answer.first is None and _is_text(document):
        answer.first = time.perf_counter() - start


def _is_text(document: dict[str, Any]) -> bool:
    """Whether the event carries a part of the answer, not only that there will be one."""
    if "type" in document:
        return str(document["type"]).endswith(".delta")
    choices = document.get("choices", ())
    return any(choice.get("text") or choice.get("delta", {}).get("content") for choice in choices)

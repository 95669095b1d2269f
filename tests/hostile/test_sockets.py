"""Bytes from clients that do not follow the rules: refused in one shape, or dropped, at no cost to others."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from owngpt.server.connection import Connection
from tests.hostile.bystander import undisturbed
from tests.hostile.serving import KEY, Process
from tests.hostile.shape import check_error_document

pytestmark = pytest.mark.anyio
MIB = 1024**2


class Quick(Connection):
    """The same, with little patience."""

    HEAD_SECONDS = 0.2
    BODY_SECONDS = 0.2
    UNREAD_SECONDS = 0.2


class Peer:
    """A client that says exactly these bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, seconds: float = 10) -> tuple[int, str | None, Any]:
        """Status, content type and document; the server has closed, or says how long its answer is."""
        head = (await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), seconds)).decode("latin-1")
        status, *lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        body = await asyncio.wait_for(self._reader.readexactly(int(headers["content-length"])), seconds)
        return int(status.split(" ")[1]), headers.get("content-type"), json.loads(body)

    async def is_closed(self, seconds: float = 10) -> bool:
        """Whether the server hangs up within so many seconds; what it still says is read."""
        try:
            async with asyncio.timeout(seconds):
                while await self._reader.read(MIB):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def connect(port: int, limit: int = MIB) -> AsyncIterator[Peer]:
    peer = Peer(*await asyncio.open_connection("127.0.0.1", port, limit=limit))
    try:
        yield peer
    finally:
        peer.close()


class Endless:
    """An app that reads the body, then sends for ever; it notes when its client is gone."""

    def __init__(self) -> None:
        self.num_sent = 0
        self.has_ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            self.has_ended.set()
            return
        listener = asyncio.create_task(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not listener.done():
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            self.num_sent += 1
            await asyncio.sleep(0)
        self.has_ended.set()


@asynccontextmanager
async def quick_server(app: Endless) -> AsyncIterator[int]:
    """The port of a server that has little patience."""
    config, state = uvicorn.Config(app, log_config=None), ServerState()
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Quick(config, state, {}), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.gather(*state.tasks)


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", f"authorization: Bearer {KEY}", *headers]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


COMPLETION = json.dumps({"model": "tiny", "prompt": "hi", "max_tokens": 2}).encode()

GARBAGE = {
    "bytes": bytes(range(256)) * 4,
    "a greeting": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a path of raw bytes": b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "a length of words": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n",
    "a length beyond numbers": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: " + b"9" * 5_000 + b"\r\n\r\n",
    "a length and chunks": (
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "an unknown method": b"FLY / HTTP/1.1\r\nhost: x\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nhost: x\r\nx: a\x00b\r\n\r\n",
}


@pytest.mark.parametrize("case", GARBAGE)
async def test_garbage_is_a_400_in_openais_shape(process: Process, case: str) -> None:
    """uvicorn's own answer is plain text, which an SDK cannot read."""
    async with connect(process.port) as peer:
        await peer.send(GARBAGE[case])
        status, kind, document = await peer.answer()
        assert status == 400
        check_error_document(kind, document)
        assert await peer.is_closed()


async def test_garbage_behind_a_good_request_harms_only_its_sender(process: Process) -> None:
    async with undisturbed(process), connect(process.port) as peer:
        await peer.send(post("/v1/completions", COMPLETION) + b"\x00garbage\r\n\r\n")
        assert await peer.is_closed()


async def test_pipelined_requests_are_answered_in_order(process: Process) -> None:
    async with undisturbed(process), connect(process.port) as peer:
        for i in range(200):
            await peer.send(f"GET /v1/models/m{i} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n".encode())
        for i in range(200):
            status, _, document = await peer.answer()
            assert (status, f"'m{i}'" in document["error"]["message"]) == (404, True)


async def test_headers_without_end_are_cut_off(process: Process) -> None:
    """The parser keeps all headers that come, and it does so before anybody has shown a key."""
    bombs = (
        b"GET /health HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 20_000,
        b"GET /health HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 200_000,
        b"GET /" + b"x" * 200_000,
    )
    before = process.rss
    for bomb in bombs:
        async with connect(process.port) as peer:
            await peer.send(bomb)
            status, kind, document = await peer.answer()
            assert status == 431
            assert "65536 bytes" in check_error_document(kind, document)["message"]
            assert await peer.is_closed()
    assert process.rss - before < 16 * MIB


async def test_trailers_without_end_are_cut_off(process: Process) -> None:
    head = (
        f"POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    async with connect(process.port) as peer:
        await peer.send(head.encode() + b"1\r\n{\r\n0\r\n" + b"x: y\r\n" * 20_000)
        assert await peer.is_closed()


async def test_an_ordinary_large_head_is_fine(process: Process) -> None:
    async with process.async_client() as client:
        assert (await client.get("/v1/models", headers={"x-big": "y" * 16_000})).status_code == 200
        long_path = await client.get("/v1/models/" + "%f0%9f%98%80" * 1_000 + "%ff%00%0d%0a")
        assert long_path.status_code == 404
        assert len(long_path.json()["error"]["message"]) < 2_000


async def test_a_hundred_slow_clients_take_no_room(process: Process) -> None:
    """Each holds a connection open with half a head or half a body; nobody else notices."""
    halves = (b"POST /v1/completions HTTP/1.1\r\nhost:", post("/v1/completions", COMPLETION)[:-5])
    peers = [Peer(*await asyncio.open_connection("127.0.0.1", process.port)) for _ in range(100)]
    async with undisturbed(process), process.async_client() as client:
        for i, peer in enumerate(peers):
            await peer.send(halves[i % 2])
        response = await client.post("/v1/completions", content=COMPLETION)
        assert response.status_code == 200
        assert process.gauge("owngpt_requests_running") <= 1, "only the bystander's"
    for peer in peers:
        peer.close()


async def test_a_slow_head_or_body_is_a_408() -> None:
    app = Endless()
    async with quick_server(app) as port:
        for half in (b"", b"GET / HTTP/1.1\r\nhost", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab"):
            async with connect(port) as peer:
                await peer.send(half)
                status, kind, document = await peer.answer()
                assert status == 408
                assert "0.2 seconds" in check_error_document(kind, document)["message"]
                assert await peer.is_closed()


async def test_one_byte_at_a_time_does_not_extend_a_head() -> None:
    async with quick_server(Endless()) as port, connect(port) as peer:
        for byte in b"GET / HTTP/1.1\r\nx: y":
            if await peer.is_closed(0.05):
                break
            await peer.send(bytes([byte]))
        else:
            pytest.fail("it waits as long as bytes come")


async def test_who_stops_reading_is_dropped_and_sent_little() -> None:
    """The sender waits once the socket's buffers are full, and not for ever: the request ends, its room is free."""
    app = Endless()
    async with quick_server(app) as port, connect(port, limit=65_536) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.wait_for(app.has_ended.wait(), 5)
        assert app.num_sent * 65_536 < 64 * MIB


async def test_a_stream_that_nobody_reads_holds_no_blocks_and_stops_nobody(process: Process) -> None:
    """The engine goes on to the end of the choices and lets their blocks go, whether or not anyone reads."""
    body = {"model": "tiny", "prompt": "x", "n": 8, "max_tokens": 900, "stream": True, "ignore_eos": True}
    fields = {"logprobs": 20, "stream_options": {"include_usage": True}}
    before = process.rss
    async with undisturbed(process, 3.0), connect(process.port, limit=1024) as peer:
        await peer.send(post("/v1/completions", json.dumps({**body, **fields}).encode()))
        deadline = time.monotonic() + 30
        await asyncio.sleep(1)
        while process.gauge("owngpt_engine_running") > 1 and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        assert time.monotonic() < deadline
        assert process.rss - before < 200 * MIB

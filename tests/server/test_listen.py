import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from owngpt.errors import ConfigError
from owngpt.server.asgi import create_app
from owngpt.server.listen import Server, base_url, bind
from owngpt.server.middleware import BodyLimitMiddleware
from owngpt.service.app import App
from tests.fakes.engine import KEY, make_app


class Slow:
    """An app with one stream that goes on until it is told to end, and a drain that waits for it."""

    def __init__(self) -> None:
        self.end, self.ended = asyncio.Event(), asyncio.Event()
        length = Route("/length", self.length, methods=["POST"])
        self.app: ASGIApp = Router(routes=[Route("/stream", self.stream), Route("/", self.hello), length])

    async def hello(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    async def length(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    async def stream(self, request: Request) -> StreamingResponse:
        async def chunks():  # type: ignore[no-untyped-def]
            yield b"first,"
            await self.end.wait()
            yield b"last"
            self.ended.set()

        return StreamingResponse(chunks())

    async def drain(self) -> None:
        await self.ended.wait()


async def start(app: Slow | App, drain_seconds: float) -> tuple[asyncio.Task[None], str]:
    listener = bind("127.0.0.1", 0)
    server = Server(app.app if isinstance(app, Slow) else create_app(app), app.drain, drain_seconds)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    return serving, base_url("127.0.0.1", listener).removesuffix("/v1")


@pytest.mark.anyio
async def test_a_signal_lets_running_streams_end() -> None:
    slow = Slow()
    serving, url = await start(slow, drain_seconds=10)
    async with httpx.AsyncClient(base_url=url) as client, client.stream("GET", "/stream") as response:
        chunks = response.aiter_text()
        assert await anext(chunks) == "first,"
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.05)
        assert (await client.get("/")).text == "hello", "while it drains it still answers"
        slow.end.set()
        assert await anext(chunks) == "last"
    await asyncio.wait_for(serving, 5)
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


@pytest.mark.anyio
async def test_draining_has_an_end() -> None:
    slow = Slow()
    serving, url = await start(slow, drain_seconds=0.05)
    async with httpx.AsyncClient(base_url=url) as client, client.stream("GET", "/stream") as response:
        await anext(response.aiter_text())
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(serving, 5)


@pytest.mark.anyio
async def test_connections_that_ask_for_nothing_do_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """Nor does a request whose body does not come: it is told to come again."""
    app = make_app()
    serving, url = await start(app, drain_seconds=30)
    app.wake()
    host, port = url.removeprefix("http://").split(":")
    silent, half_head, half_body = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
    half_head[1].write(b"GET /v1/mod")
    head = f"POST /v1/files HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\n"
    half_body[1].write(f"{head}content-type: multipart/form-data; boundary=b\r\ncontent-length: 99\r\n\r\n--b".encode())
    headers = {"authorization": f"Bearer {KEY}"}
    async with (
        httpx.AsyncClient(base_url=url, headers=headers) as kept_alive,
        connect(f"{url.replace('http', 'ws')}/v1/responses", additional_headers=headers) as socket,
    ):
        assert (await kept_alive.get("/v1/models")).is_success
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, 5)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    refused = await half_body[0].read()
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in refused
    for reader, writer in (silent, half_head, half_body):
        assert await reader.read() == b""
        writer.close()
    app.close()
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.anyio
async def test_whoever_leaves_in_the_middle_of_a_body_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Each upload that was broken off left a stack trace in the log."""
    app = make_app()
    serving, url = await start(app, drain_seconds=1)
    host, port = url.removeprefix("http://").split(":")
    head = f"POST /v1/embeddings HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\ncontent-length: 99\r\n\r\n"
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f'{head}{{"model"'.encode())
    await asyncio.sleep(0.1)
    writer.close()
    await asyncio.sleep(0.1)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 5)
    app.close()
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.anyio
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_far_over_the_limit_gets_its_answer(is_chunked: bool) -> None:
    """A server that just hangs up would reset the connection, and the client would see that instead of the 413."""
    slow = Slow()
    slow.app = BodyLimitMiddleware(slow.app, lambda scope: 1_000_000)
    serving, url = await start(slow, drain_seconds=1)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b"x" * 65_536

    async with httpx.AsyncClient(base_url=url) as client:
        for _ in range(2):
            response = await client.post("/length", content=chunks() if is_chunked else b"x" * 10_000_000)
            assert response.status_code == 413
            assert response.json()["error"]["message"].startswith("the body is over 1000000 bytes")
    slow.ended.set()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 5)


def test_a_port_in_use_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is in use; choose another one with --port"):
            bind("127.0.0.1", port)


def test_a_host_that_is_not_ours_is_said_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1, port 0: "):
        bind("192.0.2.1", 0)


def test_the_base_url_has_the_true_port() -> None:
    with bind("127.0.0.1", 0) as listener:
        assert base_url("127.0.0.1", listener) == f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        assert base_url("::1", listener).startswith("http://[::1]:")

"""What happens when a client leaves, and that bytes go out while tokens come in."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message

from owngpt.server.asgi import create_app
from owngpt.service.app import App
from tests.fakes.engine import KEY, engine_of, make_app

pytestmark = pytest.mark.anyio

BODIES = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi"}], "n": 2},
    "/v1/completions": {"prompt": ["a", "b", "c"], "max_tokens": 1000},
}


class Client:
    """A connection that can be watched and cut, which an HTTP library would hide."""

    def __init__(self, app: App, path: str, body: dict[str, Any]) -> None:
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._messages.put_nowait({"type": "http.request", "body": json.dumps(body).encode(), "more_body": False})
        self.received: list[Message] = []
        self._news = asyncio.Event()
        headers = [(b"authorization", f"Bearer {KEY}".encode())]
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "root_path": ""}
        scope |= {"headers": headers, "query_string": b"", "http_version": "1.1", "scheme": "http"}
        self.task = asyncio.create_task(create_app(app)(scope, self._messages.get, self._send))

    async def _send(self, message: Message) -> None:
        self.received.append(message)
        self._news.set()

    async def wait_for(self, count: int) -> None:
        while len(self.received) < count:
            self._news.clear()
            await self._news.wait()

    def hang_up(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})


@pytest.mark.parametrize("path", BODIES)
async def test_leaving_a_stream_ends_the_generation(path: str) -> None:
    app = make_app("x" * 1000, delay=0.001)
    client = Client(app, path, {**BODIES[path], "stream": True})
    await client.wait_for(4)
    assert engine_of(app).num_running
    client.hang_up()
    await asyncio.wait_for(client.task, 1)
    assert engine_of(app).num_running == 0
    assert engine_of(app).aborted
    assert app.limits.room.remaining == app.limits.room.capacity
    assert 'outcome="abort"' in app.metrics.render().decode()  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", BODIES)
async def test_leaving_before_a_whole_answer_ends_the_generation(path: str) -> None:
    app = make_app("x" * 1000, delay=0.001)
    client = Client(app, path, BODIES[path])
    while not engine_of(app).num_running:
        await asyncio.sleep(0.001)
    client.hang_up()
    await asyncio.wait_for(client.task, 1)
    assert (engine_of(app).num_running, client.received) == (0, [])
    assert 'status="499"' in app.metrics.render().decode()  # type: ignore[attr-defined]
    assert app.limits.room.remaining == app.limits.room.capacity


async def test_leaving_at_any_moment_leaves_nothing_behind() -> None:
    app = make_app("x" * 20, delay=0.0005)
    for moment in range(0, 60, 3):
        client = Client(app, "/v1/chat/completions", {**BODIES["/v1/chat/completions"], "stream": moment % 2 == 0})
        await asyncio.sleep(moment / 4000)
        client.hang_up()
        await asyncio.wait_for(client.task, 1)
    assert (engine_of(app).num_running, app.limits.room.remaining) == (0, app.limits.room.capacity)


async def test_the_headers_come_before_the_first_token() -> None:
    """A client that waits in the queue knows that it is admitted, and does not time out."""
    app = make_app("slow", delay=0.2)
    client = Client(app, "/v1/chat/completions", {**BODIES["/v1/chat/completions"], "stream": True})
    await asyncio.wait_for(client.wait_for(2), 0.15)
    assert client.received[0]["type"] == "http.response.start"
    assert b'"role":"assistant"' in client.received[1]["body"]
    client.hang_up()
    await client.task


async def test_each_token_is_sent_when_it_comes() -> None:
    app = make_app("abc")
    client = Client(app, "/v1/completions", {"prompt": "a", "stream": True})
    await client.task
    bodies = [message["body"] for message in client.received if message["type"] == "http.response.body"]
    texts = [json.loads(body[6:])["choices"][0]["text"] for body in bodies if body.startswith(b"data: {")]
    assert texts == ["a", "b", "c", ""]


async def test_draining_waits_for_running_streams() -> None:
    app = make_app("x" * 10, delay=0.005)
    client = Client(app, "/v1/chat/completions", {**BODIES["/v1/chat/completions"], "stream": True})
    await client.wait_for(3)
    drain = asyncio.create_task(app.drain())
    await asyncio.sleep(0.01)
    assert not drain.done()
    await asyncio.wait_for(drain, 1)
    await client.task
    assert client.received[-2]["body"].endswith(b"data: [DONE]\n\n")

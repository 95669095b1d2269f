"""Clients that come, read a little and leave at any moment, against the real app and engine: nothing stays behind."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from starlette.types import Message

from owngpt.engine.core import ThreadEngine
from owngpt.server.asgi import create_app
from owngpt.service.app import App
from tests.hostile.serving import KEY

pytestmark = pytest.mark.anyio
NUM_CLIENTS = 150
AT_ONCE = 24
OBJECT = {"type": "json_object"}


class Visit:
    """One request that may be left at any time."""

    def __init__(self, app: App, path: str, body: dict[str, Any]) -> None:
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._inbox.put_nowait({"type": "http.request", "body": json.dumps(body).encode(), "more_body": False})
        self.received: list[Message] = []
        headers = [(b"authorization", f"Bearer {KEY}".encode())]
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "root_path": ""}
        scope |= {"headers": headers, "query_string": b"", "http_version": "1.1", "scheme": "http"}
        self.task = asyncio.create_task(create_app(app)(scope, self._inbox.get, self._take))

    async def _take(self, message: Message) -> None:
        self.received.append(message)

    async def wait_for(self, num_messages: int) -> None:
        while len(self.received) < num_messages and not self.task.done():
            await asyncio.sleep(0.001)

    def leave(self) -> None:
        self._inbox.put_nowait({"type": "http.disconnect"})


def engine_of(app: App) -> ThreadEngine:
    engine = app.models.generative[0].engine
    assert isinstance(engine, ThreadEngine)
    return engine


async def idle(engine: ThreadEngine) -> None:
    """Until the engine has nothing to do."""
    async with asyncio.timeout(20):
        while engine._core.has_work or engine._arrivals or engine._departures:
            await asyncio.sleep(0.01)


def any_request(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """Of all kinds; prompts with a few common beginnings, so that blocks are shared."""
    text = rng.choice("abc") * rng.randrange(1, 400)
    common = {"max_tokens": rng.randrange(1, 120), "n": rng.choice([1, 1, 3]), "stream": rng.random() < 0.7}
    common |= {"ignore_eos": rng.random() < 0.5, "temperature": rng.choice([0, 1])}
    kind = rng.random()
    if kind < 0.05:
        return "/v1/embeddings", {"input": [text[:50]] * rng.randrange(1, 9)}
    if kind < 0.45:
        extra = {"response_format": OBJECT} if rng.random() < 0.3 else {}
        return "/v1/chat/completions", {"messages": [{"role": "user", "content": text}], **common, **extra}
    prompts = [text] * rng.choice([1, 1, 4])
    extra = {"echo": True, "logprobs": 2} if rng.random() < 0.2 else {}
    return "/v1/completions", {"prompt": prompts, **common, **extra}


async def visit(app: App, rng: random.Random) -> Visit:
    """Come, and leave: at once, after a while, after some events, or not before the end."""
    path, body = any_request(rng)
    guest = Visit(app, path, body)
    manner = rng.random()
    if manner < 0.4:
        await asyncio.sleep(rng.random() * 0.2)
    elif manner < 0.7:
        await guest.wait_for(rng.randrange(1, 30))
    else:
        await guest.wait_for(10**9)
    guest.leave()
    await guest.task
    return guest


async def test_hundreds_of_clients_that_leave_at_any_moment(app: App) -> None:
    engine, seats, tasks = engine_of(app), asyncio.Semaphore(AT_ONCE), asyncio.all_tasks()

    async def seated(seed: int) -> Visit:
        async with seats:
            return await visit(app, random.Random(seed))

    async with asyncio.timeout(60):
        guests = await asyncio.gather(*(seated(seed) for seed in range(NUM_CLIENTS)))
    await idle(engine)
    statuses = [guest.received[0]["status"] for guest in guests if guest.received]
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) > NUM_CLIENTS // 2
    assert engine.stats().preemptions > 0, "the blocks are to be short in this test"
    assert engine.stats().cached_tokens > 0, "and shared"
    assert_nothing_is_left(app, engine)
    assert asyncio.all_tasks() == tasks


def assert_nothing_is_left(app: App, engine: ThreadEngine) -> None:
    stats = engine.stats()
    assert (stats.num_running, stats.num_waiting) == (0, 0)
    assert stats.num_free_blocks == stats.num_blocks
    assert app.limits.room.remaining == app.limits.room.capacity
    assert (engine._admission._inside, engine._streams) == (0, {})
    engine._core.scheduler.check_integrity()


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("stream", [True, False])
async def test_leaving_frees_the_blocks_within_one_step(app: App, stream: bool, n: int) -> None:
    """Counted in the engine's steps, while another stream keeps it busy."""
    engine = engine_of(app)
    other = Visit(app, "/v1/completions", {"prompt": "other", "max_tokens": 900, "stream": True, "ignore_eos": True})
    await other.wait_for(3)
    body = {"prompt": "x" * 200, "max_tokens": 500, "stream": stream, "n": n, "ignore_eos": True}
    guest = Visit(app, "/v1/completions", body)
    while engine.stats().num_running < 1 + n:
        await asyncio.sleep(0.001)
    guest.leave()
    await guest.task
    left_at = engine.stats().steps
    steps = left_at
    while (stats := engine.stats()).num_running > 1:
        assert steps <= left_at + 1, "a step began with the choices of a client that had left"
        steps = stats.steps
    assert stats.num_running == 1, "the other stream goes on"
    other.leave()
    await other.task
    await idle(engine)
    assert_nothing_is_left(app, engine)


async def test_a_body_that_never_ends_leaves_nothing(app: App) -> None:
    """The client is gone before it has said what it wants."""
    guest = Visit(app, "/v1/completions", {"prompt": "x"})
    guest.leave()
    await guest.task
    await idle(engine_of(app))
    assert_nothing_is_left(app, engine_of(app))

"""Several prompts as one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from owngpt.errors import Overloaded
from owngpt.service.fanout import Events, fan_out
from owngpt.types import TokenEvent

pytestmark = pytest.mark.anyio


class Engine:
    """Gives each prompt `n` choices of one event each; prompt [666] is refused."""

    def __init__(self, n: int) -> None:
        self.n, self.inside, self.most, self.entered = n, 0, 0, 0

    @asynccontextmanager
    async def submit(self, prompt: Sequence[int]) -> AsyncIterator[Events]:
        if prompt == [666]:
            raise Overloaded("full")
        self.inside += 1
        self.entered += 1
        self.most = max(self.most, self.inside)
        try:
            yield self._events(prompt)
        finally:
            self.inside -= 1

    async def enter(self, prompts: Sequence[Sequence[int]]) -> None:
        async with fan_out(self.submit, prompts, self.n, at_once=min(4, len(prompts))):
            pass

    async def _events(self, prompt: Sequence[int]) -> Events:
        for index in range(self.n):
            await asyncio.sleep(0)
            yield TokenEvent(index, tuple(prompt))


async def read_all(engine: Engine, prompts: Sequence[Sequence[int]]) -> dict[int, Sequence[int]]:
    async with fan_out(engine.submit, prompts, engine.n, at_once=min(4, len(prompts))) as events:
        return {event.index: event.token_ids async for event in events}


async def test_events_are_numbered_by_prompt_and_choice() -> None:
    engine = Engine(n=2)
    found = await read_all(engine, [[i] for i in range(30)])
    assert found == {i * 2 + j: (i,) for i in range(30) for j in range(2)}
    assert (engine.inside, engine.most) == (0, 4)


async def test_a_failure_ends_all() -> None:
    engine = Engine(n=1)
    with pytest.raises(Overloaded):
        await read_all(engine, [[1], [666], *([2],) * 100])
    assert engine.inside == 0
    assert engine.entered < 100


async def test_a_refusal_comes_before_the_first_event() -> None:
    """So that it can still be a status code."""
    with pytest.raises(Overloaded):
        await Engine(n=1).enter([[666]] * 3)


async def test_leaving_early_leaves_all() -> None:
    engine = Engine(n=500)
    async with fan_out(engine.submit, [[i] for i in range(30)], 500, at_once=4) as events:
        async for _ in events:
            break
    assert (engine.inside, engine.entered) == (0, 4)

"""What a reader gets who is slower than the engine."""

from __future__ import annotations

import asyncio

import pytest

from owngpt.engine.stream import Admission, Stream
from owngpt.errors import EngineFailed, ResourceUnavailable
from owngpt.types import FinishReason, PromptInfo, TokenEvent, TokenLogprob

pytestmark = pytest.mark.anyio


def said(index: int, number: int, *, is_thinking: bool = False, finish: FinishReason | None = None) -> TokenEvent:
    logprob = TokenLogprob(number, b"a", -1.0)
    info = PromptInfo(3, 0) if number == 0 else None
    return TokenEvent(index, (number,), f"{number} ", (logprob,), is_thinking, info, finish)


def told(stream: Stream, num_tokens: int, num_choices: int = 1, num_thoughts: int = 0) -> None:
    """The whole answer, before anybody reads."""
    for number in range(num_tokens):
        for index in range(num_choices):
            finish = FinishReason.LENGTH if number == num_tokens - 1 else None
            stream.put(said(index, number, is_thinking=number < num_thoughts, finish=finish))


async def test_a_stalled_reader_holds_no_more_than_the_text() -> None:
    admission = Admission(8)
    with admission.enter(2) as stream:
        told(stream, 10_000, num_choices=2, num_thoughts=4_000)
        events = [event async for event in stream.events()]
    assert len(events) < 150
    for index in range(2):
        own = [event for event in events if event.index == index]
        assert [i for event in own for i in event.token_ids] == list(range(10_000))
        assert "".join(event.text for event in own) == "".join(f"{i} " for i in range(10_000))
        assert [entry.token_id for event in own for entry in event.logprobs or ()] == list(range(10_000))
        assert sum(len(event.token_ids) for event in own if event.is_thinking) == 4_000
        assert [event.prompt for event in own if event.prompt] == [PromptInfo(3, 0)]
        assert [event.finish_reason for event in own if event.finish_reason] == [FinishReason.LENGTH]


async def test_a_reader_that_keeps_up_gets_each_token_by_itself() -> None:
    with Admission(8).enter(1) as stream:
        reader = asyncio.create_task(collect(stream))
        for number in range(200):
            stream.put(said(0, number, finish=FinishReason.STOP if number == 199 else None))
            if number % 50 == 0:
                await asyncio.sleep(0)
        assert [len(event.token_ids) for event in await reader] == [1] * 200


async def test_what_was_said_before_a_failure_is_read_first() -> None:
    with Admission(8).enter(1) as stream:
        for number in range(500):
            stream.put(said(0, number))
        stream.put(EngineFailed("dead"))
        events: list[TokenEvent] = []
        with pytest.raises(EngineFailed):
            await collect(stream, events)
    assert sum(len(event.token_ids) for event in events) == 500


async def test_a_refusal_reaches_the_reader_and_gives_its_place_back() -> None:
    admission = Admission(1)
    with admission.enter(1) as stream:
        stream.put(ResourceUnavailable("too late"))
        with pytest.raises(ResourceUnavailable):
            await collect(stream)
    with admission.enter(1):
        pass


async def collect(stream: Stream, into: list[TokenEvent] | None = None) -> list[TokenEvent]:
    events = [] if into is None else into
    async for event in stream.events():
        events.append(event)
    return events

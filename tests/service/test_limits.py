"""Admission and settlement."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from owngpt.errors import EngineFailed, InvalidRequest, Overloaded, ResourceUnavailable, ServiceUnavailable
from owngpt.service.limits import Limits
from owngpt.service.telemetry import RequestRecord
from owngpt.types import Claim, FinishReason, PromptInfo, Tier, TokenEvent, Usage


@dataclass
class Recorder:
    records: list[RequestRecord] = field(default_factory=list)
    num_running: int = 0

    def request_started(self, operation: str, model: str) -> None:
        self.num_running += 1

    def request_finished(self, record: RequestRecord) -> None:
        self.num_running -= 1
        self.records.append(record)


def run(limits: Limits, error: BaseException) -> None:
    with limits.admit("chat", "m") as ticket:
        ticket.count(TokenEvent(0, (1,), prompt=PromptInfo(5, 4)))
        raise error


def test_there_is_room_for_so_many_choices() -> None:
    limits = Limits(3, Recorder())
    with limits.admit("chat", "m", 2):
        assert limits.room == (3, 1)
        with pytest.raises(Overloaded), limits.admit("chat", "m", 2):
            pass
        with limits.admit("chat", "m", 1):
            assert limits.room.remaining == 0
    assert limits.room.remaining == 3


@pytest.mark.parametrize(("capacity", "n", "prompts", "at_once"), [(20, 2, 3, 3), (20, 2, 100, 8), (20, 6, 9, 3)])
def test_a_list_of_prompts_has_room_for_those_that_run_at_once(
    capacity: int, n: int, prompts: int, at_once: int
) -> None:
    """It took room for one prompt, so the engine could refuse a later one in the middle of the stream."""
    limits = Limits(capacity, Recorder())
    with limits.admit("text_completion", "m", n, prompts) as ticket:
        assert ticket.at_once == at_once
        assert limits.room.remaining == capacity - n * at_once
    assert limits.room.remaining == capacity


def test_what_never_fits_is_the_callers_mistake() -> None:
    with pytest.raises(InvalidRequest, match="n is 4"), Limits(3, Recorder()).admit("chat", "m", 4):
        pass


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (InvalidRequest("no"), "rejected"),
        (EngineFailed("dead"), "error"),
        (ZeroDivisionError(), "error"),
        (asyncio.CancelledError(), "abort"),
        (GeneratorExit(), "abort"),
    ],
)
def test_every_exit_settles(error: BaseException, outcome: str) -> None:
    recorder = Recorder()
    limits = Limits(1, recorder)
    with pytest.raises(type(error)):
        run(limits, error)
    [record] = recorder.records
    assert (record.outcome, record.usage) == (outcome, Usage(5, 1, 4))
    assert (limits.room.remaining, recorder.num_running) == (1, 0)


def test_a_prompt_is_counted_once_and_each_choice_pays_for_its_tokens() -> None:
    recorder = Recorder()
    with Limits(8, recorder).admit("chat", "m", 2) as ticket:
        for index in range(4):  # two prompts, two choices each
            ticket.count(TokenEvent(index, (7, 8), prompt=PromptInfo(10, 3, 6), is_thinking=True))
            ticket.count(TokenEvent(index, (9,), finish_reason=FinishReason.LENGTH))
    [record] = recorder.records
    assert record.usage == Usage(
        prompt_tokens=20, completion_tokens=12, cached_tokens=6, cache_write_tokens=12, reasoning_tokens=8
    )
    assert record.outcome == "length"
    assert record.first_token_seconds is not None
    assert record.first_token_seconds <= record.seconds


@pytest.mark.anyio
async def test_draining_lets_nobody_in_and_waits_for_the_rest() -> None:
    limits = Limits(2, Recorder())
    with limits.admit("chat", "m"):
        drain = asyncio.create_task(limits.drain())
        await asyncio.sleep(0)
        assert not drain.done()
        with pytest.raises(ServiceUnavailable), limits.admit("chat", "m"):
            pass
    await asyncio.wait_for(drain, 1)


def test_each_model_has_room_of_its_own_for_as_long_as_a_list_of_prompts_runs() -> None:
    """One room for all models let lists of prompts overfill one engine, which then refused a later prompt."""
    limits = Limits(8, Recorder())
    with limits.admit("text_completion", "a", 1, 100), limits.admit("chat", "b", 5):
        assert limits.room == (8, 0)
        with pytest.raises(Overloaded), limits.admit("chat", "a"):
            pass
        with limits.admit("chat", "b", 3):
            pass
    assert limits.room.remaining == 8


def test_whoever_fills_the_room_keeps_nobody_else_out() -> None:
    busy, quiet, other = Claim("busy"), Claim("quiet"), Claim("other")
    limits = Limits(8, Recorder(), reserve=2)
    with limits.admit("chat", "m", 8, claim=busy):
        with pytest.raises(Overloaded), limits.admit("chat", "m", claim=busy):
            pass
        with limits.admit("chat", "m", claim=quiet), limits.admit("chat", "m", claim=other):
            assert limits.room.remaining == 0
            with pytest.raises(Overloaded), limits.admit("chat", "m", claim=quiet):
                pass


def test_a_project_with_its_share_of_the_reserve_gets_no_more_of_it() -> None:
    limits = Limits(8, Recorder(), reserve=2)
    quiet = Claim("quiet")
    with limits.admit("chat", "m", 6, claim=Claim("busy")), limits.admit("chat", "m", 2, claim=quiet):
        assert limits.room.remaining == 0
        with pytest.raises(Overloaded), limits.admit("chat", "m", claim=quiet):
            pass


@pytest.mark.parametrize("tier", [Tier.FLEX, Tier.BATCH])
def test_spare_tiers_take_half_of_the_room_at_most(tier: Tier) -> None:
    claim = Claim("a", tier=tier)
    limits = Limits(8, Recorder(), reserve=2)
    with limits.admit("text_completion", "m", 1, 100, claim) as ticket:
        assert ticket.at_once == 4
        with pytest.raises(ResourceUnavailable) as refused, limits.admit("chat", "m", claim=claim):
            pass
        assert refused.value.code == "resource_unavailable"
        with limits.admit("chat", "m", 4, claim=Claim("a")):
            pass

"""Requests that have only so much time, at a whole engine."""

from __future__ import annotations

import asyncio
import time

import pytest

from owngpt.engine.deadline import check_deadline
from owngpt.engine.scheduler import Scheduler
from owngpt.errors import ResourceUnavailable
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Claim, Tier
from tests.engine.asking import Gate, ask, engine
from tests.engine.makers import make_request
from tests.engine.scripted import ScriptedModel


def busy(tokens_per_second: float | None) -> Scheduler:
    """1,000 tokens wait, and the queue has moved at that pace."""
    scheduler = Scheduler(1000, 4, 64, 8)
    scheduler.add(make_request([1] * 1000, 1, claim=Claim("a")))
    for _ in range(100 if tokens_per_second else 0):
        scheduler.drain_rate.observe(round(tokens_per_second or 0), 1.0)
    return scheduler


def test_what_cannot_come_in_time_even_at_twice_the_pace_is_refused() -> None:
    scheduler = busy(100)  # so the 1,000 tokens take 10 seconds
    check_deadline(scheduler, Claim("a", deadline=106.0), 10, now=100.0)
    with pytest.raises(ResourceUnavailable, match="about 10 seconds") as refused:
        check_deadline(scheduler, Claim("a", deadline=104.0), 10, now=100.0)
    assert refused.value.headers == {"retry-after": "7"}  # rounded up: never too early


def test_nobody_is_refused_for_what_waits_behind_it() -> None:
    scheduler = busy(100)
    check_deadline(scheduler, Claim("b", deadline=100.5), 10, now=100.0)
    check_deadline(scheduler, Claim("a", tier=Tier.PRIORITY, deadline=100.5), 10, now=100.0)
    with pytest.raises(ResourceUnavailable):
        check_deadline(scheduler, Claim("b", tier=Tier.FLEX, deadline=104.0), 10, now=100.0)


def test_nobody_is_refused_before_anything_was_measured() -> None:
    check_deadline(busy(None), Claim("a", deadline=100.001), 10, now=100.0)
    check_deadline(busy(100), Claim("a"), 10, now=100.0)


@pytest.mark.anyio
async def test_whoever_waits_too_long_is_told_so_and_the_others_go_on(tokenizer: Tokenizer) -> None:
    gate = Gate()
    model = ScriptedModel("ab", tokenizer.vocab_size, on_forward=gate.wait)
    with engine(model, tokenizer, max_running=1) as served:
        running = asyncio.create_task(ask(served, "x", max_tokens=2, claim=Claim(deadline=time.monotonic() + 0.05)))
        await asyncio.sleep(0.02)
        hasty = asyncio.create_task(ask(served, "y", n=3, claim=Claim(deadline=time.monotonic() + 0.05)))
        patient = asyncio.create_task(ask(served, "z", max_tokens=2, claim=Claim(deadline=time.monotonic() + 60)))
        await asyncio.sleep(0.1)
        gate.open(100)
        with pytest.raises(ResourceUnavailable, match="its time was over"):
            await hasty
        assert [(await task)[0].text for task in (running, patient)] == ["ab", "ab"]
        assert served.stats().num_waiting == 0


@pytest.mark.anyio
async def test_what_waits_and_how_long_is_told_by_tier(tokenizer: Tokenizer) -> None:
    gate = Gate()
    model = ScriptedModel("ab", tokenizer.vocab_size, on_forward=gate.wait)
    with engine(model, tokenizer, max_running=1) as served:
        claims = [Claim(tier=tier) for tier in Tier for _ in range(2)]
        tasks = [asyncio.create_task(ask(served, "x", max_tokens=2, claim=claim)) for claim in claims]
        expected = {"priority": 1, "default": 2, "flex": 2, "batch": 2}
        async with asyncio.timeout(30):
            while {label: tier.num_waiting for label, tier in served.stats().tiers.items()} != expected:
                await asyncio.sleep(0.01)
        gate.open(100)
        await asyncio.gather(*tasks)
        tiers = served.stats().tiers
        assert {tier.num_admitted for tier in tiers.values()} == {2}
        assert tiers["flex"].wait_seconds > 0

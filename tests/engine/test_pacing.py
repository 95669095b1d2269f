"""Steps that read prompts beside streams, on machines whose times are given."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from owngpt.engine.pacing import DrainRate, Pace
from owngpt.engine.plan import Chunk
from owngpt.engine.scheduler import Scheduler
from owngpt.types import Claim, Tier
from tests.engine.makers import make_request

Machine = Callable[[int, int, int], float]  # rows of streams, prompt tokens, context -> seconds of a step


def plain(rows: int, tokens: int, context: int) -> float:
    """Weights are read once; a row is cheap, a prompt token takes 1.1 ms."""
    return 0.016 + 0.0005 * rows + 0.0011 * tokens


def long_contexts(rows: int, tokens: int, context: int) -> float:
    """Attention makes a token dearer, the more there is before it."""
    return plain(rows, tokens, 0) + tokens * context * 4e-7


def stepped(rows: int, tokens: int, context: int) -> float:
    """Products are made for 16 rows at a time."""
    return 0.016 + 0.004 * -(-(rows + tokens) // 16)


def noisy(rows: int, tokens: int, context: int) -> float:
    return plain(rows, tokens, 0) * random.uniform(0.9, 1.1)


class Clocked:
    """A scheduler on a machine; notes the seconds of each step, and the prompt tokens in it."""

    def __init__(self, machine: Machine, slowdown: float) -> None:
        self.scheduler = Scheduler(4096, 16, 512, 16, slowdown=slowdown)
        self._machine = machine
        self.steps: list[tuple[float, int]] = []

    def step(self) -> list[Chunk]:
        chunks = self.scheduler.schedule()
        tokens = sum(c.end - c.start for c in chunks if c.end - c.start > 1)
        context = max(c.end for c in chunks)
        seconds = self._machine(sum(c.end - c.start == 1 for c in chunks), tokens, context)
        for chunk in chunks:
            if chunk.is_last:
                chunk.request.append(7)
        self.scheduler.commit(chunks)
        self.scheduler.observe(chunks, seconds)
        for chunk in chunks:
            if chunk.request.is_full:
                self.scheduler.remove(chunk.request)
        self.steps.append((seconds, tokens))
        return chunks


def arrive(machine: Machine, slowdown: float) -> tuple[list[float], list[float]]:
    """8 streams run, then a prompt of 4,000 tokens comes. -> seconds of quiet steps, and of those that read it."""
    house = Clocked(machine, slowdown)
    for number in range(8):
        house.scheduler.add(make_request([number] * 40, 5000))
    for _ in range(100):
        house.step()
    quiet = [seconds for seconds, tokens in house.steps if not tokens]
    long = make_request(range(4000), 10)
    house.scheduler.add(long)
    house.steps.clear()
    while not long.num_output_tokens:
        house.step()
    return quiet, [seconds for seconds, _ in house.steps]


@pytest.mark.parametrize("machine", [plain, long_contexts, stepped, noisy])
def test_a_long_prompt_keeps_streams_under_three_times_their_quiet_gap(machine: Machine) -> None:
    random.seed(5)
    quiet, reading = arrive(machine, 2.5)
    quiet_p99, reading_p99 = (sorted(gaps)[int(0.99 * (len(gaps) - 1))] for gaps in (quiet, reading))
    assert reading_p99 < 3 * quiet_p99
    assert sum(reading) < 4000 * 0.0011 * 3.2, "and is still read in a time that bears a relation to its length"


def test_the_dial_trades_gaps_for_the_time_to_the_first_token() -> None:
    times = [(max(reading), sum(reading)) for _, reading in (arrive(plain, dial) for dial in (1.5, 2.5, 5, 1e9))]
    gaps, first_tokens = zip(*times, strict=True)
    assert list(gaps) == sorted(gaps)
    assert list(first_tokens) == sorted(first_tokens, reverse=True)


def test_a_short_prompt_of_a_tenant_with_nothing_else_is_read_in_one_step_and_paid_for_later() -> None:
    """Else its time to the first token would grow by steps and steps because of others' streams."""
    house = Clocked(plain, 2.5)
    for number in range(8):
        house.scheduler.add(make_request([number] * 40, 5000, "", Claim("busy")))
    for _ in range(100):
        house.step()
    own, quiet = (make_request([9] * 100, 5, tenant, Claim(tenant)) for tenant in ("busy", "quiet"))
    house.steps.clear()
    house.scheduler.add(own)
    house.scheduler.add(quiet)
    house.step()
    assert (own.num_output_tokens, quiet.num_output_tokens) == (0, 1)
    while not own.num_output_tokens:
        house.step()
    tokens = [tokens for _, tokens in house.steps]
    assert tokens[0] == 100
    assert tokens[1] < tokens[-2] < 30


def test_however_many_such_tenants_come_streams_keep_their_pace() -> None:
    house = Clocked(plain, 2.5)
    for number in range(4):
        house.scheduler.add(make_request([number] * 40, 5000, "", Claim("busy")))
    for _ in range(100):
        house.step()
    quiet, _ = house.steps[-1]
    house.steps.clear()
    for number in range(300):
        house.scheduler.add(make_request([number] * 100, 1, None, Claim(f"tenant {number}")))
        house.scheduler.add(make_request([number] * 100, 1, None, Claim(f"other {number}")))
        house.step()
    average = sum(seconds for seconds, _ in house.steps) / len(house.steps)
    assert average < 3 * quiet


def test_what_was_lent_is_not_paid_where_nothing_streams() -> None:
    house = Clocked(plain, 2.5)
    stream = make_request([1] * 40, 5000, "", Claim("busy"))
    house.scheduler.add(stream)
    for _ in range(20):
        house.step()
    house.scheduler.add(make_request([2] * 120, 1, None, Claim("quiet")))
    house.step()
    house.scheduler.remove(stream)
    house.scheduler.add(make_request([3] * 2000, 1, None, Claim("long")))
    house.steps.clear()
    house.step()
    assert house.steps == [(plain(0, 512, 512), 512)]


def test_without_a_limit_a_step_reads_all_that_it_can() -> None:
    pace = Pace(slowdown=math.inf)
    pace.observe(1, 0, 0.02)
    pace.observe(1, 30, 0.05)
    assert pace.limit(1, 512) == 512


def test_without_streams_a_step_reads_all_it_can() -> None:
    house = Clocked(plain, 2.5)
    for number in range(3):
        house.scheduler.add(make_request([number] * 1000, 1))
    for _ in range(5):
        house.step()
    assert [tokens for _, tokens in house.steps] == [512] * 5


def test_a_prompt_moves_on_however_slow_the_machine_is() -> None:
    pace = Pace(2.5)
    pace.observe(8, 0, 0.01)
    for _ in range(10):
        pace.observe(8, 16, 30.0)
    assert pace.limit(8, 512) == 8
    assert pace.limit(8, 4) == 4


def test_nothing_is_held_back_before_anything_is_measured() -> None:
    assert Pace(2.5).limit(8, 512) == 512


def test_how_fast_the_queue_moves_is_said_only_when_it_is_known() -> None:
    rate = DrainRate()
    rate.observe(100, 0.5)
    assert rate.tokens_per_second is None
    for _ in range(100):
        rate.observe(50, 0.5)
    assert rate.tokens_per_second == pytest.approx(100, rel=0.05)


def test_what_waits_for_streams_to_end_says_nothing_of_how_fast_the_queue_moves() -> None:
    """Else a flex prompt that waits for an hour would make every default one with a deadline look hopeless."""
    house = Clocked(plain, 2.5)
    for number in range(8):
        house.scheduler.add(make_request([number] * 40, 5000, None, Claim("busy")))
        house.scheduler.add(make_request([number] * 512, 1, None, Claim("busy")))
    for _ in range(300):
        house.step()
    rate = house.scheduler.drain_rate.tokens_per_second
    house.scheduler.add(make_request([9] * 4090 * 16, 1, None, Claim("patient", tier=Tier.FLEX)))
    for _ in range(100):
        house.step()
    assert house.scheduler.num_waiting == 1
    assert rate is not None
    assert house.scheduler.drain_rate.tokens_per_second == rate


def test_the_wait_is_what_stands_before_one_in_the_queue() -> None:
    house = Clocked(plain, 2.5)
    for number in range(100):
        house.scheduler.add(make_request([number] * 512, 1, "", Claim("busy")))
    assert house.scheduler.wait_seconds(Claim("busy"), 100) is None
    for _ in range(20):
        house.step()
    own, other = (house.scheduler.wait_seconds(Claim(tenant), 100) for tenant in ("busy", "quiet"))
    begin = sum(seconds for seconds, _ in house.steps)
    late = make_request([7] * 100, 1, "", Claim("busy"))
    house.scheduler.add(late)
    while not late.num_output_tokens:
        house.step()
    assert own == pytest.approx(sum(seconds for seconds, _ in house.steps) - begin, rel=0.1)
    assert other == 0

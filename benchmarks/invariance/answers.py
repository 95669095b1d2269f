"""What is answered: every token and every bit of every log-probability, alone or in company."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from benchmarks.invariance.cases import Case
from owngpt.engine.core import ThreadEngine
from owngpt.types import ANYONE, Claim, Tier, TokenEvent, TokenLogprob

Report = Callable[[int], None]  # how many are answered


@dataclass(slots=True)
class Choice:
    """One choice. `bits` are those of each log-probability that was reported: the prompt's, then the answer's."""

    token_ids: list[int] = field(default_factory=list)
    bits: list[bytes] = field(default_factory=list)
    text: str = ""
    finish_reason: str | None = None

    def add(self, event: TokenEvent) -> None:
        """One more event of it."""
        self.token_ids += event.token_ids
        self.bits += [_bits(entry) for entry in (event.prompt and event.prompt.logprobs) or ()]
        self.bits += [_bits(entry) for entry in event.logprobs or ()]
        self.text += event.text
        self.finish_reason = event.finish_reason and str(event.finish_reason)


Answer = list[Choice]


class Difference(NamedTuple):
    """Between two runs of the same cases."""

    answers: list[int]  # which of them are not the same
    tokens: int
    logprobs: int


def differences(alone: Sequence[Answer], together: Sequence[Answer]) -> Difference:
    """Counts; a token that is missing differs."""
    pairs = [(a, b) for one, other in zip(alone, together, strict=True) for a, b in zip(one, other, strict=True)]
    return Difference(
        [i for i, (one, other) in enumerate(zip(alone, together, strict=True)) if one != other],
        sum(_count(a.token_ids, b.token_ids) for a, b in pairs),
        sum(_count(a.bits, b.bits) for a, b in pairs),
    )


async def answer_alone(engine: ThreadEngine, cases: Sequence[Case], report: Report = lambda _: None) -> list[Answer]:
    """One after the other."""
    answers = []
    for case in cases:
        answers.append(await _ask(engine, case))
        report(len(answers))
    return answers


async def answer_together(
    engine: ThreadEngine, cases: Sequence[Case], seed: int, report: Report = lambda _: None
) -> list[Answer]:
    """In any order and company: 1 to 64 at once, that changes all the time, of all tiers, and some clients leave."""
    random, answers = Random(seed), dict[int, Answer]()
    waiting = random.sample(range(len(cases)), len(cases))
    running: set[asyncio.Task[None]] = set()
    width = 64

    async def run(number: int) -> None:
        claim = Claim(random.choice(("one", "two")), tier=random.choice(list(Tier)))
        answers[number] = await _ask(engine, cases[number], claim)
        report(len(answers))

    async with asyncio.TaskGroup() as tasks:
        while waiting or running:
            width = random.choice((1, 4, 16, 64)) if random.random() < 0.05 else width
            while waiting and len(running) < width:
                if random.random() < 0.05:
                    running.add(tasks.create_task(_leave(engine, random.choice(cases))))
                running.add(tasks.create_task(run(waiting.pop())))
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    return [answers[number] for number in range(len(cases))]


async def _ask(engine: ThreadEngine, case: Case, claim: Claim = ANYONE) -> Answer:
    choices = [Choice() for _ in range(case.sampling.n)]
    async with engine.submit(
        case.prompt, case.sampling, constraint=case.constraint, namespace=case.namespace, claim=claim
    ) as events:
        async for event in events:
            assert event.error is None, event.error
            choices[event.index].add(event)
    return choices


async def _leave(engine: ThreadEngine, case: Case) -> None:
    """Ask, and go at the first word."""
    async with engine.submit(case.prompt, case.sampling, namespace=case.namespace) as events:
        with suppress(StopAsyncIteration):
            await anext(events)


def _bits(entry: TokenLogprob | None) -> bytes:
    """The token, its alternatives, and their numbers."""
    entries = () if entry is None else (entry, *entry.top)
    return b"".join(struct.pack("<qd", each.token_id, each.logprob) for each in entries)


def _count(a: Sequence[object], b: Sequence[object]) -> int:
    return abs(len(a) - len(b)) + sum(x != y for x, y in zip(a, b, strict=False))

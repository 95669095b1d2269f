"""Whether guessing pays, on machines of which only the time of a step is known: tokens per second of simulated work."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from owngpt.engine.request import Request
from owngpt.engine.scheduler import Scheduler
from owngpt.engine.speculation import Speculator
from tests.engine.makers import make_request

Seconds = Callable[[int], float]  # of a step with so many tokens
TOKENS = 600


def memory_bound(num_tokens: int) -> float:
    """Reading the weights takes the time: as this engine with int8 on two cores."""
    return 17 + 0.45 * (num_tokens - 1)


def compute_bound(num_tokens: int) -> float:
    return 5 + 4.0 * num_tokens


def copying(chance: random.Random) -> tuple[list[int], list[int]]:
    """A prompt, and an answer that quotes it, with something of its own every 60 tokens."""
    prompt = [chance.randrange(5_000) for _ in range(1_000)]
    answer: list[int] = []
    while len(answer) < TOKENS:
        start = chance.randrange(900)
        answer += [*prompt[start : start + 60], *(chance.randrange(5_000) for _ in range(6))]
    return prompt, answer[:TOKENS]


def own_words(chance: random.Random) -> tuple[list[int], list[int]]:
    """Few words, so that what came after a pair of them is often found, and rarely right."""
    text = [chance.randrange(40) for _ in range(300 + TOKENS)]
    return text[:300], text[300:]


def tokens_per_second(
    mode: str, work: Callable[..., tuple[list[int], list[int]]], streams: int, cost: Seconds
) -> float:
    scheduler = Scheduler(4_000, 16, 512, 64)
    speculator = Speculator(scheduler, mode)
    chance = random.Random(1)
    answers: dict[Request, list[int]] = {}
    for _ in range(streams):
        prompt, answer = work(chance)
        request = make_request(prompt, max_tokens=TOKENS, namespace=None)
        answers[request] = answer
        scheduler.add(request)
    seconds = 0.0
    while scheduler.running or not seconds:
        chunks = speculator.draft(scheduler.schedule())
        for chunk in chunks:
            for guess in (*chunk.draft, None) if chunk.is_last else ():
                chunk.request.append(answers[chunk.request][chunk.request.num_output_tokens])
                if chunk.request.token_ids[-1] != guess:
                    break
        scheduler.commit(chunks)
        for request in [chunk.request for chunk in chunks if chunk.request.is_full]:
            scheduler.remove(request)
        num_tokens = sum(chunk.stop - chunk.start for chunk in chunks)
        speculator.learn(chunks, cost(num_tokens) * chance.uniform(1.0, 1.1))
        seconds += cost(num_tokens) if all(chunk.end - chunk.start == 1 for chunk in chunks) else 1e-9
    return streams * TOKENS / seconds


@pytest.mark.parametrize(
    ("work", "streams", "cost", "least"),
    [
        (copying, 1, memory_bound, 4.0),
        (copying, 16, memory_bound, 1.6),
        (copying, 1, compute_bound, 1.3),
        (copying, 8, compute_bound, 0.97),
        (own_words, 1, memory_bound, 0.98),
        (own_words, 16, memory_bound, 0.98),
        (own_words, 8, compute_bound, 0.98),
    ],
)
def test_it_pays_or_it_is_not_done(
    work: Callable[..., tuple[list[int], list[int]]], streams: int, cost: Seconds, least: float
) -> None:
    ratio = tokens_per_second("auto", work, streams, cost) / tokens_per_second("off", work, streams, cost)
    assert ratio >= least, ratio

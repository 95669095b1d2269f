"""Whether guessing pays, on machines of which only the time of a step is known: tokens per second of simulated work."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest

from owngpt.engine.request import Request
from owngpt.engine.scheduler import Chunk, Scheduler
from owngpt.engine.speculation import Speculator
from tests.engine.makers import make_request

Seconds = Callable[[int], float]  # of a step with so many tokens
Work = Callable[[random.Random], tuple[list[int], list[int]]]  # a prompt and its answer
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


class Guesser:
    """Stands for a draft model that is right so often, and takes so long for each guess of its requests."""

    max_position = 10_000

    def __init__(self, rate: float, per_guess: float) -> None:
        self.rate, self.per_guess = rate, per_guess
        self.seconds = 0.0
        self.answers: dict[Request, list[int]] = {}
        self._chance = random.Random(2)

    def mirror(self, chunks: Sequence[Chunk]) -> None:
        pass

    def guess(self, counts: Mapping[Request, int]) -> dict[Request, list[int]]:
        self.seconds += self.per_guess * max(counts.values())
        return {request: [self._say(request, i) for i in range(count)] for request, count in counts.items()}

    def _say(self, request: Request, ahead: int) -> int:
        token_id = self.answers[request][request.num_output_tokens + ahead]
        return token_id if self._chance.random() < self.rate else -1


def tokens_per_second(mode: str, work: Work, streams: int, cost: Seconds, model: Guesser | None = None) -> float:
    scheduler = Scheduler(4_000, 16, 512, 64)
    speculator = Speculator(scheduler, mode, cast(Any, model))
    chance = random.Random(1)
    answers: dict[Request, list[int]] = {} if model is None else model.answers
    for _ in range(streams):
        prompt, answer = work(chance)
        request = make_request(prompt, max_tokens=TOKENS, namespace=None)
        answers[request] = answer
        scheduler.add(request)
    seconds = 0.0
    while scheduler.running or not seconds:
        before = 0.0 if model is None else model.seconds
        chunks = speculator.draft(scheduler.schedule())
        for chunk in chunks:
            follow(chunk, answers[chunk.request])
        scheduler.commit(chunks)
        for request in [chunk.request for chunk in chunks if chunk.request.is_full]:
            scheduler.remove(request)
        spent = cost(sum(chunk.stop - chunk.start for chunk in chunks)) * chance.uniform(1.0, 1.1)
        spent += 0.0 if model is None else model.seconds - before
        speculator.learn(chunks, spent)
        seconds += spent if all(chunk.end - chunk.start == 1 for chunk in chunks) else 1e-9
    return streams * TOKENS / seconds


def follow(chunk: Chunk, answer: Sequence[int]) -> None:
    """The answer goes on, as long as guesses come true."""
    for guess in (*chunk.draft, None) if chunk.is_last else ():
        chunk.request.append(answer[chunk.request.num_output_tokens])
        if chunk.request.token_ids[-1] != guess:
            break


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
def test_it_pays_or_it_is_not_done(work: Work, streams: int, cost: Seconds, least: float) -> None:
    ratio = tokens_per_second("auto", work, streams, cost) / tokens_per_second("off", work, streams, cost)
    assert ratio >= least, ratio


def novel(chance: random.Random) -> tuple[list[int], list[int]]:
    """Nothing comes twice."""
    return [chance.randrange(10**6) for _ in range(20)], [chance.randrange(10**6) for _ in range(TOKENS + 20)]


@pytest.mark.parametrize(
    ("rate", "per_guess", "streams", "least"),
    [(0.8, 2.0, 1, 1.8), (0.8, 3.0, 4, 1.4), (0.5, 2.0, 1, 1.2), (0.05, 2.0, 1, 0.97), (0.6, 25.0, 1, 0.97)],
)
def test_a_draft_model_pays_or_rests(rate: float, per_guess: float, streams: int, least: float) -> None:
    plain = tokens_per_second("off", novel, streams, memory_bound)
    assert tokens_per_second("auto", novel, streams, memory_bound, Guesser(rate, per_guess)) >= least * plain

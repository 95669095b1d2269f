"""How good a search is: nDCG, recall and reciprocal rank with bootstrap intervals, and how long it takes.

Knows nothing of how the search works: it is a function from a question to the ids of documents, best first.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from owngpt.evals.beir import Question

DEPTH = 10  # results that count
RESAMPLES = 2_000
Search = Callable[[str], Sequence[str]]


class Interval(NamedTuple):
    """A mean over questions, and where it lies with 95% confidence (percentile bootstrap over questions)."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f}-{self.high:.3f})"


class Outcome(NamedTuple):
    """Of one question."""

    ndcg: float
    recall: float
    reciprocal_rank: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """Of all questions, in their order."""

    outcomes: Sequence[Outcome]

    @property
    def ndcg(self) -> Interval:
        return interval([outcome.ndcg for outcome in self.outcomes])

    @property
    def recall(self) -> Interval:
        return interval([outcome.recall for outcome in self.outcomes])

    @property
    def mrr(self) -> Interval:
        return interval([outcome.reciprocal_rank for outcome in self.outcomes])

    def latency(self, share: float) -> float:
        """Milliseconds that this share of the questions stayed under."""
        return 1e3 * float(np.quantile([outcome.seconds for outcome in self.outcomes], share))


def evaluate(search: Search, questions: Sequence[Question], step: Callable[[], object] = lambda: None) -> Report:
    """Ask every question; `step` is called after each."""
    outcomes = []
    for question in questions:
        start = time.perf_counter()
        found = search(question.text)
        seconds = time.perf_counter() - start
        outcomes.append(judge(found, question.relevant, seconds))
        step()
    return Report(outcomes)


def judge(found: Sequence[str], relevant: Mapping[str, int], seconds: float = 0.0) -> Outcome:
    """The first `DEPTH` results against the documents that should be there.

    nDCG as in Järvelin and Kekäläinen (2002), with grades as gains.
    """
    best = list(dict.fromkeys(found))[:DEPTH]
    gains = [relevant.get(document, 0) for document in best]
    ideal = sorted(relevant.values(), reverse=True)[:DEPTH]
    first = next((1 / rank for rank, gain in enumerate(gains, start=1) if gain > 0), 0.0)
    return Outcome(_dcg(gains) / _dcg(ideal), sum(gain > 0 for gain in gains) / len(relevant), first, seconds)


def difference(report: Report, other: Report) -> Interval:
    """By how much nDCG is greater, question by question: an interval above 0 is a real lead."""
    pairs = zip(report.outcomes, other.outcomes, strict=True)
    return interval([ours.ndcg - theirs.ndcg for ours, theirs in pairs])


def interval(values: Sequence[float]) -> Interval:
    """The same values always have the same interval."""
    array = np.array(values)
    picks = np.random.default_rng(0).integers(0, len(array), (RESAMPLES, len(array)))
    means: NDArray[np.float64] = array[picks].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(array.mean()), float(low), float(high))


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))

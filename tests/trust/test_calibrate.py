"""Thresholds whose rate of false answers is bounded."""

from __future__ import annotations

import random

import pytest

from owngpt.trust.calibrate import NEVER, Of, Outcome, applied, at_most, calibrate, upper_bound


def questions(count: int, seed: int) -> list[Outcome]:
    """Half of them have an answer; a scorer that knows something, and not all."""
    chosen, found = random.Random(seed), []
    for number in range(count):
        confidence = chosen.betavariate(4, 2) if number % 2 else chosen.betavariate(2, 4)
        found.append(Outcome(confidence, bool(number % 2) and chosen.random() < 0.9))
    return found


def test_the_bound_is_clopper_and_pearsons() -> None:
    """scipy.stats.beta.ppf(0.95, k + 1, n - k)."""
    assert upper_bound(0, 59, 0.95) == pytest.approx(0.049507, abs=1e-5)
    assert upper_bound(3, 100, 0.95) == pytest.approx(0.075714, abs=1e-5)
    assert upper_bound(5, 5, 0.95) == 1.0
    assert at_most(100, 100, 0.5) == pytest.approx(1.0)


@pytest.mark.parametrize("of", ["questions", "answers"])
def test_false_answers_stay_under_the_rate_as_often_as_promised(of: Of) -> None:
    """Calibrated on 400 questions, looked at with 10,000 others: over the rate in at most 5% of 200 tries."""
    others = questions(5_000, seed=-1)
    found = [calibrate(questions(400, seed), rate=0.15, of=of) for seed in range(200)]
    rates = [applied(others, one.threshold, of=of).rate for one in found]
    assert sum(rate > 0.15 for rate in rates) <= 10 + 6  # two standard deviations more
    assert sum(one.answered for one in found) > 2


def test_it_answers_more_where_the_scorer_knows_more() -> None:
    good = [Outcome(0.9 if number % 2 else 0.1, bool(number % 2)) for number in range(400)]
    assert calibrate(good).answered == 0.5
    assert calibrate(good).threshold == 0.9


def test_too_few_questions_prove_nothing() -> None:
    assert calibrate([Outcome(0.9, True)] * 40).threshold == NEVER
    assert calibrate([], rate=0.5).threshold == NEVER


def test_questions_of_one_confidence_are_answered_together() -> None:
    tied = [Outcome(0.5, number % 10 > 0) for number in range(500)]
    assert calibrate(tied, rate=0.05).threshold == NEVER
    assert calibrate(tied, rate=0.2).threshold == 0.5

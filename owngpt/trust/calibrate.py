"""From which confidence on to answer, so that false answers stay under a stated rate with a stated probability.

Learn then test (Angelopoulos et al., 2021) by fixed sequence: thresholds are tried from the strictest down, each with
an exact binomial bound (Clopper and Pearson, 1934) of the rate of false answers, until the first that does not hold.
The bound holds for new questions like the ones it was found on, whatever the scorer is worth; a poor scorer only
answers less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

Of = Literal["questions", "answers"]  # what the rate is a part of

LEAST_ANSWERS = 59  # with none of so many wrong, 5% is first certain at 95%
NEVER = 1.01  # a threshold that nothing reaches


class Outcome(NamedTuple):
    """A question of which it is known how it would be answered."""

    confidence: float
    is_right: bool  # whether the answer that would be given is one


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, and what it was found to do on the questions that it was calibrated on."""

    threshold: float
    num_questions: int
    num_answered: int
    num_false: int  # answers that are wrong, or to questions that have none
    bound: float  # of the rate of false answers, ...
    confidence: float  # ... which holds with this probability
    of: Of

    @property
    def answered(self) -> float:
        """The part of the questions that is answered."""
        return self.num_answered / self.num_questions if self.num_questions else 0.0

    @property
    def rate(self) -> float:
        """Of false answers, as counted."""
        total = self.num_questions if self.of == "questions" else self.num_answered
        return self.num_false / total if total else 0.0


def calibrate(
    outcomes: Sequence[Outcome], *, rate: float = 0.05, confidence: float = 0.95, of: Of = "questions"
) -> Calibration:
    """The lowest threshold that the bound allows; `NEVER` where there are too few questions, or none does."""
    ranked = sorted(outcomes, key=lambda outcome: -outcome.confidence)
    found = Calibration(NEVER, len(ranked), 0, 0, 1.0, confidence, of)
    num_false = 0
    for number, outcome in enumerate(ranked, start=1):
        num_false += not outcome.is_right
        if number < len(ranked) and ranked[number].confidence == outcome.confidence:
            continue  # those of one confidence are answered together
        total = len(ranked) if of == "questions" else number
        if of == "answers" and number < LEAST_ANSWERS:
            continue
        if at_most(num_false, total, rate) > 1 - confidence:
            break
        found = Calibration(outcome.confidence, len(ranked), number, num_false, rate, confidence, of)
    total = len(ranked) if of == "questions" else found.num_answered
    return replace(found, bound=upper_bound(found.num_false, total, confidence))


def applied(
    outcomes: Sequence[Outcome], threshold: float, *, confidence: float = 0.95, of: Of = "questions"
) -> Calibration:
    """What a threshold does on other questions."""
    answered = [outcome for outcome in outcomes if outcome.confidence >= threshold]
    num_false = sum(not outcome.is_right for outcome in answered)
    total = len(outcomes) if of == "questions" else len(answered)
    bound = upper_bound(num_false, total, confidence)
    return Calibration(threshold, len(outcomes), len(answered), num_false, bound, confidence, of)


def upper_bound(count: int, total: int, confidence: float) -> float:
    """Clopper and Pearson's: the highest rate at which so few of `total` are not yet too unlikely."""
    if count >= total:
        return 1.0
    low, high = count / total, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if at_most(count, total, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def at_most(count: int, total: int, rate: float) -> float:
    """The probability of at most `count` among `total`, each with probability `rate`."""
    if rate <= 0.0 or rate >= 1.0:
        return float(rate <= 0.0 or count >= total)
    odds = rate / (1 - rate)
    choices = math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
    term = math.exp(choices + count * math.log(rate) + (total - count) * math.log1p(-rate))
    added = term
    for i in range(count, 0, -1):  # from the likeliest on
        term *= i / ((total - i + 1) * odds)
        added += term
        if term < added * 1e-17:
            break
    return min(1.0, added)

"""How sure a figure is: percentile bootstrap over items (Efron 1979), the same resamples for all that answered them.

Seeded, so the same answers always have the same interval; paired, so the difference of two is surer than each alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from owngpt.evals.task import Array, Metric

RESAMPLES = 1_000
LEVEL = (0.025, 0.975)


class Figure(NamedTuple):
    """A value, and where it lies with 95% confidence."""

    value: float
    low: float
    high: float


class Comparison(NamedTuple):
    """One figure beside another on the same items. `difference` is positive where the first one is better."""

    difference: Figure
    is_better: bool  # the difference is above zero with 95% confidence
    is_clear: bool  # better, and the two intervals do not overlap


def figure(metric: Metric, rows: Array) -> Figure:
    """The metric of all rows, with its interval."""
    return _figure(metric.reduce(rows), np.array([metric.reduce(rows[pick]) for pick in _picks(len(rows))]))


def compare(metric: Metric, ours: Array, theirs: Array) -> Comparison:
    """Rows of two answerers for the same items, in the same order."""
    sign = -1.0 if metric.is_lower_better else 1.0
    pairs = [(metric.reduce(ours[pick]), metric.reduce(theirs[pick])) for pick in _picks(len(ours))]
    resampled = sign * np.array(pairs)
    our, their = (sign * metric.reduce(rows) for rows in (ours, theirs))
    difference = _figure(our - their, resampled[:, 0] - resampled[:, 1])
    is_clear = _figure(our, resampled[:, 0]).low > _figure(their, resampled[:, 1]).high
    return Comparison(difference, difference.low > 0, is_clear)


def _figure(value: float, resampled: Array) -> Figure:
    if np.isnan(resampled).all():  # nothing to measure by, such as no item of a class
        return Figure(float(value), math.nan, math.nan)
    low, high = np.nanquantile(resampled, LEVEL)
    return Figure(float(value), float(low), float(high))


def _picks(number: int) -> Iterator[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    rng = np.random.default_rng(0)
    for _ in range(RESAMPLES):
        yield rng.integers(0, number, number)

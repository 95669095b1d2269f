"""StepCosts: how long a step takes that computes so many tokens, learned from the steps that were made."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

_KEPT = 5  # the latest times of each number of tokens, of which the median counts
_TRUSTED = 2  # fewer may be an accident
_FORGOTTEN = 1024  # steps until what was not seen again is tried anew
_SLOPE = 0.02  # of a step's time, for one more token: what is hoped for where nothing is known


class StepCosts:
    """Times between known sizes are interpolated. More tokens never cost less."""

    def __init__(self) -> None:
        self._times: dict[int, deque[float]] = {}
        self._last_seen: dict[int, int] = {}
        self._num_steps = 0
        self._sizes: list[int] = []  # in order, with their seconds
        self._seconds: list[float] = []

    @property
    def reach(self) -> int:
        """Up to how many tokens a step may be tried: what goes far beyond what is known may be a bad surprise."""
        return 2 * self._sizes[-1] if self._sizes else 0

    @property
    def is_known(self) -> bool:
        """Whether any step was observed."""
        return bool(self._sizes)

    def observe(self, num_tokens: int, seconds: float) -> None:
        """A step has been made."""
        self._num_steps += 1
        size = _rounded(num_tokens)
        self._times.setdefault(size, deque(maxlen=_KEPT)).append(seconds)
        self._last_seen[size] = self._num_steps
        for old in [size for size, seen in self._last_seen.items() if seen + _FORGOTTEN < self._num_steps]:
            del self._times[old], self._last_seen[old]
        self._draw_curve()

    def seconds(self, num_tokens: int) -> float:
        """What a step of so many tokens is expected to take; in arbitrary units before anything is known."""
        if not self._sizes:
            return 1 + _SLOPE * num_tokens
        right = bisect_right(self._sizes, num_tokens)
        if right == 0:
            return self._seconds[0]
        if right == len(self._sizes):
            return self._seconds[-1] + (num_tokens - self._sizes[-1]) * self._last_slope()
        left_size, right_size = self._sizes[right - 1 : right + 1]
        left, after = self._seconds[right - 1 : right + 1]
        return left + (after - left) * (num_tokens - left_size) / (right_size - left_size)

    def _last_slope(self) -> float:
        """Seconds per token beyond the largest size."""
        if len(self._sizes) == 1:
            return self._seconds[0] * _SLOPE
        return (self._seconds[-1] - self._seconds[-2]) / (self._sizes[-1] - self._sizes[-2])

    def _draw_curve(self) -> None:
        known = {size: times for size, times in self._times.items() if len(times) >= _TRUSTED} or self._times
        self._sizes = sorted(known)
        self._seconds = []
        for size in self._sizes:
            median = sorted(known[size])[(len(known[size]) - 1) // 2]
            self._seconds.append(max(median, self._seconds[-1]) if self._seconds else median)


def _rounded(num_tokens: int) -> int:
    """Large steps that differ by little are one size."""
    unit = 1 if num_tokens <= 16 else 4 if num_tokens <= 64 else 32
    return -(-num_tokens // unit) * unit

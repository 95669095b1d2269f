"""Threads between KV memory and disk, so that no step of the engine waits for a file. They know names and bytes."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Full, Queue

from owngpt.engine.kv_store import KVStore

logger = logging.getLogger(__name__)

_AHEAD = 8  # blocks that wait in memory, on their way to the engine or to disk
_FAREWELL = 5.0  # seconds that the end of a thread is waited for


@dataclass(eq=False)
class Reading:
    """Blocks to be read one after the other, for as long as somebody wants them."""

    names: Sequence[bytes]
    is_wanted: Callable[[], bool]
    num_read: int = 0

    @property
    def is_over(self) -> bool:
        return self.num_read == len(self.names) or not self.is_wanted()


class BlockReader:
    """Reads a block of each reading in turn, a few blocks ahead of whoever takes them."""

    def __init__(self, store: KVStore, block_bytes: int) -> None:
        self._store = store
        self._block_bytes = block_bytes
        self._change = threading.Condition()  # guards the three below
        self._readings: deque[Reading] = deque()
        self._blocks: list[tuple[Reading, memoryview | None]] = []
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="owngpt-kv-read", daemon=True)
        self._thread.start()

    def add(self, reading: Reading) -> None:
        """Begin."""
        with self._change:
            self._readings.append(reading)
            self._change.notify_all()

    def take(self, seconds: float = 0.0) -> list[tuple[Reading, memoryview | None]]:
        """The blocks that were read, in order; waits for one. None ends a reading: it is not there, or not right."""
        with self._change:
            self._change.wait_for(lambda: self._blocks, seconds)
            blocks, self._blocks = self._blocks, []
            self._change.notify_all()
        return blocks

    def close(self) -> None:
        """End the thread; a disk that does not answer is left alone."""
        with self._change:
            self._is_closing = True
            self._change.notify_all()
        self._thread.join(_FAREWELL)

    def _run(self) -> None:
        while (reading := self._next()) is not None:
            data = self._read(reading.names[reading.num_read])
            with self._change:
                reading.num_read += 1
                self._blocks.append((reading, data))
                if data is not None:
                    self._readings.append(reading)
                self._change.notify_all()

    def _next(self) -> Reading | None:
        """The reading whose turn it is; None when it is time to end."""
        with self._change:
            while True:
                self._change.wait_for(lambda: self._is_closing or (self._readings and len(self._blocks) < _AHEAD))
                if self._is_closing:
                    return None
                if not (reading := self._readings.popleft()).is_over:
                    return reading

    def _read(self, name: bytes) -> memoryview | None:
        try:
            return self._store.read(name, self._block_bytes)
        except Exception:  # whoever waits for this block must get an answer
            logger.exception("a block could not be read")
            return None


class BlockWriter:
    """Runs what it is given, in order, and takes no more than a few at a time."""

    def __init__(self) -> None:
        self._tasks: Queue[Callable[[], object] | None] = Queue(_AHEAD)
        self._thread = threading.Thread(target=self._run, name="owngpt-kv-write", daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        return self._tasks.full()

    def add(self, task: Callable[[], object]) -> None:
        """The caller has checked that it is not full."""
        self._tasks.put_nowait(task)

    def close(self) -> None:
        """Finish what has been taken, and end the thread; a disk that does not answer is left alone."""
        with suppress(Full):
            self._tasks.put(None, timeout=_FAREWELL)
            self._thread.join(_FAREWELL)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception:
                logger.exception("a block could not be written")

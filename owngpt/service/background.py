"""Work that no request waits for: batches, expiry. It is taken up at the start, and again whenever there is more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)


class Background(Protocol):
    """One kind of such work. Called in the event loop of the server."""

    def wake(self) -> None:
        """There may be something to do: begin, or look at once."""
        ...

    async def rest(self) -> None:
        """Begin nothing more; return when what runs has ended. Cancelled, it leaves the rest to the next start."""
        ...


class Repeated:
    """Runs `work` in a thread every `seconds`, from the first `wake` on, until it rests."""

    def __init__(self, work: Callable[[], object], seconds: float) -> None:
        self._work, self._seconds = work, seconds
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def rest(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._work)
            except Exception:
                logger.exception("%s failed; it is tried again in %g s", self._work, self._seconds)
            await asyncio.sleep(self._seconds)

"""A few threads for work that would freeze the event loop: rendering and tokenizing long prompts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

INLINE_COST = 2_048  # characters; fewer are rendered and tokenized within half a millisecond


class Workers:
    """Runs cheap work here and dear work in one of `num_threads` threads."""

    def __init__(self, num_threads: int = 2) -> None:
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="owngpt-worker")

    async def run(self, cost: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`work(*args, **kwargs)`; `cost` is in characters to work through."""
        if cost < INLINE_COST:
            return work(*args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **kwargs))

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

"""A few threads for work that would freeze the event loop: rendering and tokenizing long prompts, making grammars.

A grammar from a stranger may take hours, and nothing can interrupt the library that works on it. So grammars have
threads of their own, which no other request waits for, and our patience with them has an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from owngpt.errors import InvalidRequest, Overloaded

P = ParamSpec("P")
R = TypeVar("R")

INLINE_COST = 2_048  # characters; fewer are rendered and tokenized within half a millisecond
GRAMMAR_COST = 2**40  # of work that makes a grammar
GRAMMAR_SECONDS = 20.0


class Workers:
    """Runs cheap work here, dear work in one of `num_threads` threads, and grammars in two others."""

    def __init__(self, num_threads: int = 4, grammar_seconds: float = GRAMMAR_SECONDS) -> None:
        self._texts = ThreadPoolExecutor(num_threads, thread_name_prefix="owngpt-worker")
        self._grammars = ThreadPoolExecutor(2, thread_name_prefix="owngpt-grammar-worker")
        self._grammar_seconds = grammar_seconds

    async def run(self, cost: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`work(*args, **kwargs)`; `cost` is in characters to work through, or `GRAMMAR_COST`.

        Raises `InvalidRequest` for a grammar that takes too long, and `Overloaded` for one that had to wait so long.
        """
        if cost < INLINE_COST:
            return work(*args, **kwargs)
        if cost < GRAMMAR_COST:
            return await asyncio.get_running_loop().run_in_executor(self._texts, _call, work, args, kwargs)
        return await self._make_grammar(lambda: _call(work, args, kwargs))

    async def _make_grammar(self, work: Callable[[], R]) -> R:
        job = self._grammars.submit(work)
        result = asyncio.wrap_future(job)
        result.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody may be left to see it
        try:
            await asyncio.wait({result}, timeout=self._grammar_seconds)
            if result.done():
                return result.result()
            if not job.running():
                raise Overloaded("other requests' grammars are being compiled; try again in a moment", retry_after=10)
            seconds = f"{self._grammar_seconds:g} s"
            raise InvalidRequest(
                f"the tools or the response format take more than {seconds} to compile; simplify them",
                code="invalid_grammar",
            )
        finally:
            job.cancel()

    def close(self) -> None:
        """Let the threads end."""
        for pool in (self._texts, self._grammars):
            pool.shutdown(wait=False, cancel_futures=True)


def _call(work: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
    """A future takes no `StopIteration`: whoever waits for it would wait for ever."""
    try:
        return work(*args, **kwargs)
    except StopIteration as error:
        raise RuntimeError("StopIteration in a worker thread") from error

"""Several prompts of one request as one stream of events. Knows the engine seam and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from owngpt.types import TokenEvent

Events = AsyncIterator[TokenEvent]
P = TypeVar("P")
_Item = TokenEvent | Exception | None  # None: a worker has no more to do


def fan_out(
    submit: Callable[[P], AbstractAsyncContextManager[Events]], prompts: Sequence[P], n: int, at_once: int
) -> AbstractAsyncContextManager[Events]:
    """Submit each prompt, `at_once` of them at the same time; prompt i's choice j comes out with index `i * n + j`.

    One prompt costs nothing extra.
    """
    return submit(prompts[0]) if len(prompts) == 1 else _many(submit, prompts, n, at_once)


@asynccontextmanager
async def _many(
    submit: Callable[[P], AbstractAsyncContextManager[Events]], prompts: Sequence[P], n: int, at_once: int
) -> AsyncIterator[Events]:
    """A few workers take the prompts in order. The first failure ends all; leaving aborts all.

    Entering returns when the first prompt is admitted, or raises what refuses it.
    """
    queue: asyncio.Queue[_Item] = asyncio.Queue(maxsize=256)
    admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    todo = iter(enumerate(prompts))

    async def work() -> None:
        try:
            for number, prompt in todo:
                async with submit(prompt) as events:
                    _resolve(admitted, None)
                    async for event in events:
                        await queue.put(replace(event, index=number * n + event.index))
            await queue.put(None)
        except Exception as error:
            _resolve(admitted, error)
            await queue.put(error)

    workers = [asyncio.create_task(work()) for _ in range(at_once)]
    try:
        await admitted
        yield _read(queue, len(workers))
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def _resolve(admitted: asyncio.Future[None], error: Exception | None) -> None:
    if admitted.done():
        return
    if error is None:
        admitted.set_result(None)
    else:
        admitted.set_exception(error)


async def _read(queue: asyncio.Queue[_Item], num_workers: int) -> Events:
    while num_workers:
        item = await queue.get()
        if item is None:
            num_workers -= 1
        elif isinstance(item, Exception):
            raise item
        else:
            yield item

"""Cheap work runs here, dear work in a thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from owngpt.errors import InvalidRequest, Overloaded
from owngpt.service.workers import GRAMMAR_COST, INLINE_COST, Workers

pytestmark = pytest.mark.anyio


async def test_only_dear_work_leaves_the_event_loop() -> None:
    workers = Workers()
    here = threading.get_ident()
    assert await workers.run(INLINE_COST - 1, threading.get_ident) == here
    assert await workers.run(INLINE_COST, threading.get_ident) != here
    workers.close()


@pytest.mark.parametrize("cost", [0, INLINE_COST, GRAMMAR_COST])
async def test_errors_come_back(cost: int) -> None:
    workers = Workers()
    with pytest.raises(ZeroDivisionError):
        await workers.run(cost, divmod, 1, 0)
    workers.close()


@pytest.mark.parametrize("cost", [0, INLINE_COST, GRAMMAR_COST])
async def test_an_iterator_that_ends_is_an_error_and_no_endless_wait(cost: int) -> None:
    """A future cannot hold a `StopIteration`, so the request would never be answered."""
    workers = Workers()
    with pytest.raises(RuntimeError, match="StopIteration"):
        await asyncio.wait_for(workers.run(cost, next, iter(())), 5)
    workers.close()


async def test_grammars_that_never_end_hold_up_nobody_else() -> None:
    """300 numbers with a `multipleOf` kept a thread busy for minutes; two such requests, and no chat was answered."""
    workers, end = Workers(grammar_seconds=0.1), threading.Event()
    endless = [asyncio.create_task(workers.run(GRAMMAR_COST, end.wait)) for _ in range(2)]
    await asyncio.sleep(0.01)
    with pytest.raises(Overloaded):
        await workers.run(GRAMMAR_COST, threading.get_ident)
    assert await workers.run(INLINE_COST, threading.get_ident) != threading.get_ident()
    for request in endless:
        with pytest.raises(InvalidRequest, match=r"more than 0\.1 s"):
            await request
    end.set()
    assert await workers.run(GRAMMAR_COST, threading.get_ident) != threading.get_ident()
    workers.close()

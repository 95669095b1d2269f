"""Waiting with a limit: results, time, and cancellations that nobody loses."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import owngpt
from owngpt.waiting import happens, within

pytestmark = pytest.mark.anyio


async def test_a_result_in_time_comes_and_one_that_is_late_is_cancelled() -> None:
    assert await within(5, asyncio.sleep(0, "done")) == "done"
    assert await within(None, asyncio.sleep(0, "done")) == "done"
    late = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await within(0.01, late)
    assert late.cancelled()


async def test_an_event_happens_or_not() -> None:
    event = asyncio.Event()
    assert not await happens(event, 0.01)
    event.set()
    assert await happens(event, 0.01)
    assert await happens(event, None)


async def test_a_cancellation_that_comes_with_the_result_is_not_lost() -> None:
    """`asyncio.wait_for` gives the result of a future that is done, and forgets that its caller was cancelled."""
    result = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(within(5, result))
    await asyncio.sleep(0)
    result.set_result("done")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_nobody_waits_by_what_loses_cancellations() -> None:
    files = Path(owngpt.__file__).parent.rglob("*.py")
    users = [file.name for file in files if "asyncio.wait_for(" in file.read_text()]
    assert users == []

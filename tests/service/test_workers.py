"""Cheap work runs here, dear work in a thread."""

from __future__ import annotations

import threading

import pytest

from owngpt.service.workers import INLINE_COST, Workers

pytestmark = pytest.mark.anyio


async def test_only_dear_work_leaves_the_event_loop() -> None:
    workers = Workers()
    here = threading.get_ident()
    assert await workers.run(INLINE_COST - 1, threading.get_ident) == here
    assert await workers.run(INLINE_COST, threading.get_ident) != here
    workers.close()


@pytest.mark.parametrize("cost", [0, INLINE_COST])
async def test_errors_come_back(cost: int) -> None:
    workers = Workers()
    with pytest.raises(ZeroDivisionError):
        await workers.run(cost, divmod, 1, 0)
    workers.close()

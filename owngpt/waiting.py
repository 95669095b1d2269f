"""Waiting for something, but not for ever.

Not by `asyncio.wait_for`: in Python 3.11 it loses a cancellation that comes together with the result
(https://github.com/python/cpython/issues/86296), and who was cancelled goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(seconds: float | None, awaited: Awaitable[T]) -> T:
    """Its result. After so many seconds (None: never) it is cancelled, and `TimeoutError` raised."""
    async with asyncio.timeout(seconds):
        return await awaited


async def happens(event: asyncio.Event, seconds: float | None) -> bool:
    """Whether the event is set before so many seconds are over."""
    try:
        return await within(seconds, event.wait())
    except TimeoutError:
        return False

"""A server that has nothing to do ends at once."""

from __future__ import annotations

import asyncio

import pytest

from owngpt.server.asgi import create_app
from tests.fakes.engine import make_app

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.3])
async def test_idle_work_rests_at_once(seconds: float) -> None:
    """A cancellation that met a wake-up was lost, and the server waited 30 seconds for its idle background."""
    app = make_app()
    create_app(app)
    app.wake()
    await asyncio.sleep(seconds)
    async with asyncio.timeout(5):
        await app.drain()
    app.close()

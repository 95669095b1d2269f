"""A well-behaved client beside the hostile ones: it must get the tokens that it gets alone, without a long pause."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.hostile.serving import Process

NUM_TOKENS = 150
BODY = {
    "model": "tiny",
    "prompt": "I only want to read my stream in peace. ",
    "max_tokens": NUM_TOKENS,
    "temperature": 0.9,
    "seed": 7,
    "stream": True,
    "ignore_eos": True,
}


class Bystander:
    """Reads one stream after the other; `pauses` are the seconds between two events."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.texts: list[str] = []
        self.pauses: list[float] = []

    async def read(self) -> str:
        """One whole stream."""
        text, last = "", time.monotonic()
        async with self._client.stream("POST", "/v1/completions", json=BODY) as response:
            assert response.status_code == 200, await response.aread()
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    now = time.monotonic()
                    self.pauses.append(now - last)
                    text, last = text + json.loads(line[6:])["choices"][0]["text"], now
        self.texts.append(text)
        return text

    async def read_until(self, end: asyncio.Event) -> None:
        """One stream at least, and on until it is told that it may stop."""
        while not end.is_set() or not self.texts:
            await self.read()


@asynccontextmanager
async def undisturbed(process: Process, longest_pause: float = 2.5) -> AsyncIterator[Bystander]:
    """Whatever happens inside, a stream beside it has the tokens that it has alone, and no pause of many seconds."""
    async with process.async_client() as client:
        alone = await Bystander(client).read()
        beside, end = Bystander(client), asyncio.Event()
        reading = asyncio.create_task(beside.read_until(end))
        await asyncio.sleep(0.05)
        try:
            yield beside
        finally:
            end.set()
            await reading
    assert set(beside.texts) == {alone}, "a stream beside the hostile requests has other tokens than alone"
    assert max(beside.pauses) < longest_pause, f"it stood still for {max(beside.pauses):.1f} s"

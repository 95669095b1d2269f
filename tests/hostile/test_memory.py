"""`owngpt serve` stays within weights + KV memory + 500 MB, after loading and after a burst."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.hostile.serving import serving

pytestmark = pytest.mark.anyio
MIB = 1024**2
KV_MEMORY = 64 * MIB
ALLOWANCE = 500 * 10**6


async def test_memory_after_loading_and_after_a_burst(models: dict[str, Path], tmp_path: Path) -> None:
    folder = models["tiny"]
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    with serving([folder], tmp_path, "--kv-memory", str(KV_MEMORY)) as process:
        loaded = process.rss
        async with process.async_client() as client:
            bodies = [{"prompt": f"{i:03} " + "x" * (i * 3), "max_tokens": 60, "n": 1 + i % 3} for i in range(120)]
            bodies += [{"prompt": ["y" * 3_000] * 500}] * 4  # refused; a megabyte each
            answers = await asyncio.gather(*(client.post("/v1/completions", json=body) for body in bodies))
        burst = process.rss
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {200, 400, 429}
    assert 200 in statuses
    print(f"\nRSS {loaded / MIB:.0f} MiB loaded, {burst / MIB:.0f} MiB after a burst; weights {weights / MIB:.0f} MiB")
    assert loaded <= weights + KV_MEMORY + ALLOWANCE
    assert burst <= weights + KV_MEMORY + ALLOWANCE

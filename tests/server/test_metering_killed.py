"""kill -9 while a server answers: what its clients had received is counted when the next one starts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.conftest import TEMPLATE
from tests.fakes.engine import KEY
from tests.fakes.metered import make_pausing_app

pytestmark = pytest.mark.anyio
BODY = {"model": "fake", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
PROMPT_TOKENS = 21
ROOT = Path(__file__).parents[2]


class Place(NamedTuple):
    """Where a server keeps its things; a database of its own in the folder, unless there is a `url`."""

    folder: Path
    url: str | None


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(tmp_path, None)
    return Place(tmp_path, request.getfixturevalue("postgresql_server").new_database(TEMPLATE))


@contextmanager
def serving(place: Place, pause_after: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process of its own, killed at the end at the latest; and its URL."""
    command = [sys.executable, "-m", "tests.fakes.metered", str(place.folder), str(pause_after)]
    command += [place.url] if place.url else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


async def listen(client: httpx.AsyncClient, received: dict[str, int], body: dict[str, Any] = BODY) -> None:
    """Note how many tokens (characters) come, by the request's id, until the server is gone."""
    with contextlib.suppress(httpx.HTTPError):
        async with client.stream("POST", "/chat/completions", json=body) as response:
            name = response.headers["x-request-id"]
            received[name] = 0
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    choices = json.loads(line.removeprefix("data: "))["choices"]
                    received[name] += sum(len(choice["delta"].get("content") or "") for choice in choices)


def recovered(place: Place) -> dict[str, dict[str, Any]]:
    """The rows that there are after the next start, by request."""
    app = make_pausing_app(place.folder, 0, url=place.url)
    rows = app.database.read("SELECT * FROM usage_events")
    app.close()
    assert list((place.folder / "metering").iterdir()) == []
    return {row["request_id"]: dict(row) for row in rows}


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_was_received_is_counted_to_the_token(place: Place) -> None:
    """The engine pauses, all that it had said has arrived, and then the process is killed."""
    received: dict[str, int] = {}
    with serving(place, pause_after=40) as (process, url):
        async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {KEY}"}, timeout=30) as client:
            bodies = [BODY, {**BODY, "n": 2}, {**BODY, "max_tokens": 7}, {**BODY, "n": 3}]
            tasks = [asyncio.create_task(listen(client, received, body)) for body in bodies]
            await until(lambda: sorted(received.values()) == [7, 40, 40, 40])
            process.kill()
            await asyncio.gather(*tasks)
    rows = recovered(place)
    assert {name: row["output_tokens"] for name, row in rows.items()} == received
    assert {row["input_tokens"] for row in rows.values()} == {PROMPT_TOKENS}
    assert sorted(row["outcome"] for row in rows.values()) == ["crash", "crash", "crash", "length"]
    assert recovered(place) == rows


@pytest.mark.parametrize("seed", range(2))
async def test_killed_in_the_middle_of_everything(place: Place, seed: int) -> None:
    """Never less than was received. More only by what was on its way: the engine says 4,000 tokens, and is cut off."""
    received: dict[str, int] = {}
    with serving(place, pause_after=4000) as (process, url):
        async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {KEY}"}, timeout=30) as client:
            tasks = [asyncio.create_task(listen(client, received)) for _ in range(8)]
            await until(lambda: len(received) == 8 and min(received.values()) > 5)
            await asyncio.sleep(random.Random(seed).random() * 0.1)
            process.kill()
            await asyncio.gather(*tasks)
    rows = recovered(place)
    assert set(rows) == set(received)
    for name, number in received.items():
        assert number <= rows[name]["output_tokens"] < 4000
    assert sum(row["output_tokens"] for row in rows.values()) <= sum(received.values()) + 8 * 100

"""Time that the server adds to a request: everything but the engine.

    python -m benchmarks.overhead [--seconds 20] [--write]

A server whose engine follows a script (16 tokens, 5 ms apart) runs in a process of its own and is called over real
HTTP on the loopback, by an open loop: requests start at random times (Poisson) whether or not earlier ones have ended.
Added time is latency, from the first byte written to the last byte read, minus the time from the engine's `submit` to
its last token. It contains client, loopback and uvicorn; the rows `bare` show what those alone take, from a path in
the same process that answers at once.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import random
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

import click
import uvloop

from benchmarks.machine import hardware, keep
from benchmarks.scripted import BARE_PATH, NUM_TOKENS, TOKEN_SECONDS

KINDS = ("bare", "whole", "streamed")
RATES = (1, 50, 200)
WARM_UP = 50  # requests that are not counted
PROMPT = "The quick brown fox jumps over the lazy dog. " * 8


class Line(NamedTuple):
    """One line of the table; times in milliseconds."""

    kind: str
    rate: int
    num_requests: int
    p50: float
    p90: float
    p99: float
    worst: float


class Timed(NamedTuple):
    """One request as its client saw it."""

    request_id: str
    seconds: float


@click.command()
@click.option("--seconds", default=20, show_default=True, help="How long each line of the table is measured.")
@click.option("--write", is_flag=True, help="Keep the table in benchmarks/results.")
def main(seconds: int, write: bool) -> None:
    """Print the table."""
    machine = hardware()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.scripted", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdin is not None
        assert server.stdout is not None
        port, key = json.loads(server.stdout.readline())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runs = runner.run(measure(port, key, seconds))
        server.stdin.close()
        own_seconds: dict[str, float] = json.loads(server.stdout.readline())
        server.wait()
    text = report(machine, [summary(kind, rate, timed, own_seconds) for (kind, rate), timed in runs.items()])
    click.echo(text)
    if write:
        keep("overhead", text)


async def measure(port: int, key: str, seconds: int) -> dict[tuple[str, int], list[Timed]]:
    """Every combination of kind and rate, one after the other."""
    runs = {}
    for kind in KINDS:
        request = payload(key, kind)
        await open_loop(port, request, rate=100, count=WARM_UP)
        for rate in RATES:
            print(f"{kind}, {rate} requests/s", file=sys.stderr)
            runs[kind, rate] = await open_loop(port, request, rate, count=max(rate * seconds, 20))
    return runs


def payload(key: str, kind: str) -> bytes:
    """The bytes of one request."""
    path = BARE_PATH if kind == "bare" else "/v1/chat/completions"
    body = json.dumps({"messages": [{"role": "user", "content": PROMPT}], "stream": kind == "streamed"}).encode()
    head = f"authorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{head}".encode() + body


async def open_loop(port: int, request: bytes, rate: int, count: int) -> list[Timed]:
    """Start `count` requests at random times, `rate` a second, over kept-alive connections."""
    chance, idle = random.Random(rate), [await Connection.open(port)]
    start, tasks = time.perf_counter(), []
    for _ in range(count):
        start += chance.expovariate(rate)
        await asyncio.sleep(max(0.0, start - time.perf_counter()))
        connection = idle.pop() if idle else await Connection.open(port)
        tasks.append(asyncio.create_task(connection.send(request, idle)))
    timed = list(await asyncio.gather(*tasks))
    for connection in idle:
        connection.close()
    return timed


class Connection:
    """A kept-alive HTTP/1.1 connection that does as little as possible."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def close(self) -> None:
        self._writer.close()

    async def send(self, request: bytes, idle: list[Connection]) -> Timed:
        """Time one request; afterwards the connection is idle."""
        start = time.perf_counter()
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        assert " 200 " in status, head
        if "content-length" in headers:
            await self._reader.readexactly(int(headers["content-length"]))
        else:
            await self._reader.readuntil(b"\r\n0\r\n\r\n")
        seconds = time.perf_counter() - start
        idle.append(self)
        return Timed(headers["x-request-id"], seconds)


def summary(kind: str, rate: int, timed: list[Timed], own_seconds: dict[str, float]) -> Line:
    """Added milliseconds of one run."""
    added = sorted((one.seconds - own_seconds.get(one.request_id, 0.0)) * 1000 for one in timed)

    def quantile(share: float) -> float:
        return added[min(len(added) - 1, int(share * len(added)))]

    return Line(kind, rate, len(added), quantile(0.5), quantile(0.9), quantile(0.99), added[-1])


def report(machine: str, lines: list[Line]) -> str:
    """The table in Markdown, with what it ran on."""
    rows = [
        f"| {line.kind} | {line.rate} | {line.num_requests}"
        f" | {line.p50:.2f} | {line.p90:.2f} | {line.p99:.2f} | {line.worst:.2f} |"
        for line in lines
    ]
    return "\n".join(
        [
            "# Time added per request by the server",
            "",
            f"`python -m benchmarks.overhead`, {datetime.date.today()}, {machine}, Python {sys.version.split()[0]}.",
            f"Chat completions, {len(PROMPT)} characters in, {NUM_TOKENS} tokens out, engine scripted at"
            f" {TOKEN_SECONDS * 1000:.0f} ms a token. Added milliseconds, client included.",
            "",
            "| answers | requests/s | requests | p50 | p90 | p99 | worst |",
            "|---|---|---|---|---|---|---|",
            *rows,
        ]
    )


if __name__ == "__main__":
    main()

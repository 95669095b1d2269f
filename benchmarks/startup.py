"""From the start of `owngpt serve` to the first token, and the memory that it then holds.

    python -m benchmarks.startup [--rounds 5] [--write] [MODEL ...]

Without a MODEL the bundled ones are served. Each round is a process of its own, from a warm disk: the ready line, then
a streamed chat up to its first piece of text, then one embedding where an embedder is served.
"""

from __future__ import annotations

import datetime
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click
from openai import OpenAI

from benchmarks.machine import hardware, keep

KEY = "sk-own-benchmark-startup-0123456789"
READY = re.compile(r"owngpt ready (\S+)\n")


class Start(NamedTuple):
    """One round: seconds from the start, and megabytes (10^6 bytes) of resident memory at the end."""

    ready: float
    first_token: float
    memory: float


@click.command()
@click.argument("models", nargs=-1)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--write", is_flag=True, help="Keep the table in benchmarks/results.")
def main(models: tuple[str, ...], rounds: int, write: bool) -> None:
    """Print the table."""
    machine = hardware()
    with tempfile.TemporaryDirectory() as data_dir:
        starts = [measure(models, data_dir) for _ in range(rounds)]
    text = report(starts, machine, models)
    click.echo(text)
    if write:
        keep("startup", text)


def measure(models: tuple[str, ...], data_dir: str) -> Start:
    """One process, from its start to its end."""
    command = [sys.executable, "-m", "owngpt", "serve", *models, "--port", "0", "--data-dir", data_dir]
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "OWNGPT_API_KEY": KEY}
    )
    try:
        assert process.stdout is not None
        base_url = next(found[1] for line in process.stdout if (found := READY.fullmatch(line)))
        ready = time.perf_counter() - start
        client = OpenAI(base_url=base_url, api_key=KEY)
        _ask(client)
        first_token = time.perf_counter() - start
        _embed(client)
        return Start(ready, first_token, _resident_bytes(process.pid) / 1e6)
    finally:
        process.terminate()
        process.wait()


def _ask(client: OpenAI) -> None:
    """A chat, until its first text."""
    model = next(model.id for model in client.models.list() if _can(model, "chat"))
    with client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Who are you?"}], stream=True
    ) as stream:
        next(chunk for chunk in stream if chunk.choices and chunk.choices[0].delta.content)


def _embed(client: OpenAI) -> None:
    for model in client.models.list():
        if _can(model, "embeddings"):
            client.embeddings.create(model=model.id, input="Who are you?")


def _can(model: object, what: str) -> bool:
    """`capabilities` is a field of our own in /v1/models."""
    capabilities: dict[str, bool] = getattr(model, "capabilities", {})
    return capabilities.get(what, False)


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def report(starts: list[Start], machine: str, models: tuple[str, ...]) -> str:
    """The table in Markdown, with what it ran on."""
    rows = [
        f"| {name} | {min(values):.2f} | {statistics.median(values):.2f} | {max(values):.2f} |"
        for name, values in zip(
            ("ready line, s", "first streamed token, s", "resident memory, MB"), zip(*starts, strict=True), strict=True
        )
    ]
    return "\n".join(
        [
            "# From start to first token",
            "",
            f"`python -m benchmarks.startup`, {datetime.date.today()}, {machine}, Python {sys.version.split()[0]}.",
            f"{', '.join(models) or 'The bundled models'}, {len(starts)} rounds, warm disk.",
            "",
            "| | best | median | worst |",
            "|---|---|---|---|",
            *rows,
        ]
    )


if __name__ == "__main__":
    main()

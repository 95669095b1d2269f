"""From the start of `owngpt serve` to the first token, and the memory that it takes.

    python -m benchmarks.startup [--rounds 5] [--write] [MODEL ...]
    python -m benchmarks.startup --shape [--dtype int8] [--peers DIR] [--write]

Without a MODEL the bundled ones are served; with `--shape` one of the shape of Qwen3-0.6B with random weights. Each
round is a process of its own, from a warm disk: the ready line, then a streamed chat up to its first piece of text,
then one embedding where an embedder is served. The first start of all, which may have to quantize, is told apart.
Anonymous memory is what a process has for itself alone; weights that are mapped from a file are not part of it.
"""

from __future__ import annotations

import datetime
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import click
from openai import OpenAI

from benchmarks.engine import peers_option
from benchmarks.machine import hardware, keep
from benchmarks.serving import KEY
from benchmarks.shape import write_random
from owngpt.model.weights import read_index

READY = re.compile(r"owngpt ready (\S+)\n")
MOST_SECONDS, MOST_BYTES = 5.0, 1.05  # from exec to the first token of the shape; of int8 weights, per parameter


class Start(NamedTuple):
    """One round: seconds from the start, and megabytes (10^6 bytes) of memory."""

    ready: float
    first_token: float
    resident: float  # at the end
    anonymous: float  # at its highest


LABELS = ("ready line, s", "first streamed token, s", "resident memory, MB", "anonymous memory at its highest, MB")


@click.command()
@click.argument("models", nargs=-1)
@click.option("--shape", is_flag=True, help="Serve the shape that the other benchmarks time.")
@click.option("--dtype", default="int8", show_default=True, help="The number format of the shape.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--write", is_flag=True, help="Keep the table in benchmarks/results.")
@peers_option
def main(models: tuple[str, ...], shape: bool, dtype: str, rounds: int, write: bool, peers: Path) -> None:
    """Print the table."""
    machine, options = hardware(), []
    if shape:
        models, options = (str(write_random(peers.absolute() / "shape" / "hf")),), ["--dtype", dtype]
    with tempfile.TemporaryDirectory() as data_dir:
        command = ["serve", *models, *options, "--port", "0", "--data-dir", data_dir]
        first, *starts = [measure(command) for _ in range(rounds + 1)]
        size = _bytes_per_parameter(Path(models[0]), Path(data_dir)) if shape else None
    what = f"The Qwen3-0.6B shape, {dtype}" if shape else ", ".join(models) or "The bundled models"
    text = report(first, starts, machine, what, size)
    click.echo(text)
    if write:
        keep(f"startup-{dtype}" if shape else "startup", text)


def measure(command: list[str]) -> Start:
    """One process, from its start to its end."""
    start = time.perf_counter()
    env = {**os.environ, "OWNGPT_API_KEY": KEY}
    process = subprocess.Popen(
        [sys.executable, "-m", "owngpt", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=env,
    )
    watch = MemoryWatch(process.pid)
    try:
        assert process.stdout is not None
        base_url = next(found[1] for line in process.stdout if (found := READY.fullmatch(line)))
        ready = time.perf_counter() - start
        client = OpenAI(base_url=base_url, api_key=KEY)
        _ask(client)
        first_token = time.perf_counter() - start
        _embed(client)
        return Start(ready, first_token, _memory(process.pid, "VmRSS"), watch.end())
    finally:
        process.terminate()
        process.wait()


class MemoryWatch:
    """The highest anonymous memory of a process, looked up again and again until `end`."""

    def __init__(self, pid: int) -> None:
        self._pid, self._highest, self._is_over = pid, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> float:
        """In megabytes."""
        self._is_over.set()
        self._thread.join()
        return self._highest

    def _look(self) -> None:
        while not self._is_over.wait(0.02):
            self._highest = max(self._highest, _memory(self._pid, "RssAnon"))


def _memory(pid: int, name: str) -> float:
    """A line of /proc/PID/status, in megabytes; 0 where the process is gone."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else 0.0


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


def _bytes_per_parameter(folder: Path, data_dir: Path) -> float | None:
    """Of the quantized weights, as they lie on disk and in memory; None where none were kept."""
    num_bytes = sum(file.stat().st_size for file in data_dir.glob("cache/weights/**/*.safetensors"))
    num_parameters = sum(tensor.num_bytes for tensor in read_index(folder).values()) / 2  # bf16
    return num_bytes / num_parameters if num_bytes else None


def report(first: Start, starts: list[Start], machine: str, what: str, size: float | None) -> str:
    """The table in Markdown, with what it ran on."""
    rows = [
        f"| {name} | {before:.2f} | {min(values):.2f} | {statistics.median(values):.2f} | {max(values):.2f} |"
        for name, before, values in zip(LABELS, first, zip(*starts, strict=True), strict=True)
    ]
    lines = [
        "# From start to first token",
        "",
        f"`python -m benchmarks.startup`, {datetime.date.today()}, {machine}, Python {sys.version.split()[0]}.",
        f"{what}, {len(starts)} rounds, warm disk.",
        "",
        "| | first of all | best | median | worst |",
        "|---|---|---|---|---|",
        *rows,
    ]
    return "\n".join(lines if size is None else [*lines, "", *_verdicts(starts, size)])


def _verdicts(starts: list[Start], size: float) -> list[str]:
    seconds = statistics.median(start.first_token for start in starts)
    return [
        f"- first token within {MOST_SECONDS:g} s: {'ok' if seconds <= MOST_SECONDS else 'not reached'}",
        f"- {size:.3f} bytes per parameter, of {MOST_BYTES}: {'ok' if size <= MOST_BYTES else 'not reached'}",
    ]


if __name__ == "__main__":
    main()

"""How long a line of code takes to be completed: cold, and after one more character.

    python -m benchmarks.complete [--model garlic] [--lines 100] [--write]

A server with the model is asked over HTTP, as an editor asks it, one request at a time. The lines are of files of the
Python library that no model of ours was trained on (`owngpt/text/held_out.py`). Each is asked for at a place inside
it (cold: nothing of the file was seen before) and then again with the next character typed (warm: what stays the same
is in the prefix cache). The time is that of the whole answer, its check for syntax included; processor time is what
the server used for it on all cores together. Also told: the share of prompt tokens that the cache knew, how many
answers offered something, and how many were the rest of the line.
"""

from __future__ import annotations

import datetime
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import httpx

from benchmarks.machine import hardware, keep
from benchmarks.serving import KEY, serving
from owngpt.model.bundled import garlic_folder
from owngpt.text.held_out import is_held_out
from owngpt.training.sources.python import library_files, standard_library

BEFORE, BEHIND = 3_000, 1_500  # characters that an editor sends
MOST_SECONDS = 0.15  # half of the lines, cold


class Line(NamedTuple):
    """A place inside a line of a file."""

    path: str
    prefix: str
    rest: str  # of the line
    suffix: str

    def typed(self) -> Line:
        """After one more character."""
        return self._replace(prefix=self.prefix + self.rest[0], rest=self.rest[1:])


class Timing(NamedTuple):
    """One answer."""

    seconds: float
    processor: float  # seconds, of all cores together
    cached: float  # share of the prompt
    has_offer: bool
    is_right: bool


@click.command()
@click.option("--model", default="garlic", show_default=True, help="A folder; garlic is the bundled one.")
@click.option("--lines", "num_lines", default=100, show_default=True, type=click.IntRange(min=1))
@click.option("--dtype", default="auto", show_default=True, help="The number format of the weights.")
@click.option("--write", is_flag=True, help="Keep the table in benchmarks/results.")
def main(model: str, num_lines: int, dtype: str, write: bool) -> None:
    """Print the table."""
    machine = hardware()
    chosen = list(held_out_lines(num_lines + 5))
    folder = garlic_folder() if model == "garlic" else Path(model)
    headers = {"authorization": f"Bearer {KEY}"}
    with (
        tempfile.TemporaryDirectory() as data_dir,
        serving([folder, "--dtype", dtype, "--data-dir", data_dir]) as (process, url),
        httpx.Client(base_url=url, headers=headers, timeout=600) as client,
    ):
        for line in chosen[num_lines:]:  # whatever is made once is not part of it
            ask(client, process.pid, line)
        timings = [
            (ask(client, process.pid, line), ask(client, process.pid, line.typed())) for line in chosen[:num_lines]
        ]
    text = report(model, timings, machine)
    click.echo(text)
    if write:
        keep("complete", text)


def held_out_lines(count: int) -> Iterator[Line]:
    """Places in lines of code, drawn once and for all; no two in one line."""
    library = standard_library()
    files = [path for path in library_files(library) if is_held_out(str(path.relative_to(library)))]
    places = [(path, number) for path in files for number in _code_lines(path)]
    drawn = random.Random(1)
    for path, number in drawn.sample(places, min(count, len(places))):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        line, start = lines[number].rstrip("\n"), len("".join(lines[:number]))
        column = drawn.randrange(len(line) - len(line.lstrip()) + 1, len(line) - 1)
        whole = "".join(lines)
        prefix = whole[max(0, start - BEFORE) : start + column]
        suffix = whole[start + len(line) :][:BEHIND]
        yield Line(path.name, prefix, line[column:], suffix)


def _code_lines(path: Path) -> list[int]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [n for n, line in enumerate(lines) if len(line.strip()) > 8 and not line.strip().startswith(("#", '"'))]


def ask(client: httpx.Client, process: int, line: Line) -> Timing:
    """One line, as an editor asks for it."""
    body = {"prompt": line.prefix, "suffix": line.suffix, "path": line.path, "mode": "line"}
    start, used = time.perf_counter(), processor_seconds(process)
    response = client.post("/v1/fim/completions", json=body)
    seconds, used = time.perf_counter() - start, processor_seconds(process) - used
    answer = response.raise_for_status().json()
    text, usage = answer["choices"][0]["message"]["content"], answer["usage"]
    cached = usage["prompt_tokens_details"]["cached_tokens"] / usage["prompt_tokens"]
    return Timing(seconds, used, cached, bool(text), text.rstrip() == line.rest.rstrip())


def processor_seconds(process: int) -> float:
    """What all threads of a process have used, to the nanosecond; what others do to the machine is no part of it."""
    folders = Path(f"/proc/{process}/task").iterdir()
    return sum(int((folder / "schedstat").read_text().split()[0]) for folder in folders) / 1e9


def report(model: str, timings: Sequence[tuple[Timing, Timing]], machine: str) -> str:
    """The table."""
    cold, warm = ([pair[which] for pair in timings] for which in (0, 1))
    half = statistics.median(timing.seconds for timing in cold)
    return "\n".join(
        [
            f"{model}, {len(timings)} held-out lines of Python, {datetime.date.today()}, {machine}",
            "",
            "| | p50, ms | p95, ms | processor p50, ms | prompt in the cache | offered | the rest of the line |",
            "|---|---|---|---|---|---|---|",
            _row("cold", cold),
            _row("one more character", warm),
            "",
            f"p50 of a cold line is {'under' if half < MOST_SECONDS else 'NOT under'} {MOST_SECONDS * 1000:.0f} ms.",
        ]
    )


def _row(name: str, timings: Sequence[Timing]) -> str:
    seconds = sorted(timing.seconds for timing in timings)
    p50, p95 = statistics.median(seconds), seconds[min(len(seconds) - 1, int(len(seconds) * 0.95))]
    processor = statistics.median(timing.processor for timing in timings)
    shares = [statistics.mean(part) for part in zip(*(timing[2:] for timing in timings), strict=True)]
    times = f"{p50 * 1000:.0f} | {p95 * 1000:.0f} | {processor * 1000:.0f}"
    return f"| {name} | {times} | {shares[0]:.0%} | {shares[1]:.0%} | {shares[2]:.0%} |"


if __name__ == "__main__":
    main()

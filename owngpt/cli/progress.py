"""How loading or downloading a model is shown: a bar on a terminal, two lines anywhere else. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Report = Callable[[str, int, int], None]  # what is loaded, bytes so far, bytes in all


@contextmanager
def shown(verb: str = "loading") -> Iterator[Report]:
    """A function to report progress to, from any thread."""
    with _bars(verb) if sys.stderr.isatty() else _lines(verb) as report:
        yield report


@contextmanager
def _bars(verb: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    columns = (TextColumn(f"{verb} {{task.description}}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done, total=total)

        yield report


@contextmanager
def _lines(verb: str) -> Iterator[Report]:
    sizes: dict[str, int] = {}
    start = time.monotonic()

    def report(name: str, done: int, total: int) -> None:
        if name not in sizes:
            click.echo(f"{verb} {name}", err=True)
        sizes[name] = total

    yield report
    for name, size in sizes.items():
        click.echo(f"{verb} {name}: done, {size / 1e6:,.0f} MB in {time.monotonic() - start:.1f} s", err=True)

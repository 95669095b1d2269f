"""A server under load for minutes: does it stay within its memory, answer everybody, and count what it has given?

    python -m benchmarks.load [--minutes 10] [--streams 200] [--write]

`owngpt serve` with the bundled models in a process of its own, its data in a folder of its own. So many streams are
open all the time, of four projects: chats, responses that follow each other, questions to documents, completions,
answers in a JSON schema; a tenth of them hang up. Beside them clients embed, search, and put documents into vector
stores and take them out. What the server takes is read every two seconds (`process.py`).
"""

from __future__ import annotations

import asyncio
import datetime
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.clients import CALLS, STREAMS, Client, Seen, ingested, upload
from benchmarks.load_report import judge, report
from benchmarks.machine import hardware, keep
from benchmarks.process import Sample, sample
from benchmarks.serving import KEY, serving
from benchmarks.wire import Wire

PROJECTS = 4
SAMPLE_SECONDS = 2.0
DOCUMENTS = ("operations.md", "architecture.md")
KV_MEMORY = "256MiB"  # full within the first minute, so that what grows later is a leak


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="How long.")
@click.option("--streams", default=200, show_default=True, help="Open at the same time.")
@click.option("--write", is_flag=True, help="Keep the table in benchmarks/results.")
def main(minutes: float, streams: int, write: bool) -> None:
    """Print the table; exit status 1 if something is not as it should be."""
    machine, seen = hardware(), Seen()
    with tempfile.TemporaryDirectory(prefix="owngpt-load-") as folder:
        data_dir = Path(folder)
        options: list[str | Path] = ["--data-dir", data_dir, "--kv-memory", KV_MEMORY, "--log-level", "warning"]
        limits = {"OWNGPT_MAX_RUNNING": str(streams), "OWNGPT_MAX_QUEUE": str(2 * streams)}
        with serving(options, **limits) as (server, url), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            samples = runner.run(_load(server, urlsplit(url).port or 0, data_dir, minutes * 60, streams, seen))
            server.terminate()
            status = server.wait()
        verdicts = judge(seen, samples, data_dir, status)
    setting = f"`--minutes {minutes:g} --streams {streams}`, {datetime.date.today()}, {machine}"
    text = report(setting, seen, samples, verdicts)
    click.echo(text)
    if write:
        keep("load", text)
    sys.exit(0 if all(verdict.is_good for verdict in verdicts) else 1)


async def _load(
    server: subprocess.Popen[str], port: int, data_dir: Path, seconds: float, streams: int, seen: Seen
) -> list[Sample]:
    """All clients at once, while the server is watched."""
    keys = [await _project(port, number) for number in range(PROJECTS)]
    stores = [await _vector_store(port, key) for key in keys]
    is_over = asyncio.Event()

    def client(number: int) -> Client:
        return Client(Wire(port, keys[number % PROJECTS]), stores[number % PROJECTS], seen, seed=number)

    async with asyncio.TaskGroup() as group:
        for number in range(streams):
            group.create_task(client(number).run(STREAMS, is_over))
        for number in range(PROJECTS):
            group.create_task(client(streams + number).run(CALLS, is_over))
        samples = await _watch(server, data_dir, seconds, seen)
        is_over.set()
    await asyncio.sleep(SAMPLE_SECONDS)
    return [*samples, sample(server.pid, data_dir, seconds)]


async def _project(port: int, number: int) -> str:
    """-> a key of a new project."""
    admin = Wire(port, KEY)
    project = (await admin.post("/organization/projects", {"name": f"project {number}"})).documents[0]["id"]
    path = f"/organization/projects/{project}/service_accounts"
    account = (await admin.post(path, {"name": "load"})).documents[0]
    admin.close()
    return str(account["api_key"]["value"])


async def _vector_store(port: int, key: str) -> str:
    """-> a vector store with two documents."""
    wire = Wire(port, key)
    store = str((await wire.post("/vector_stores", {"name": "docs"})).documents[0]["id"])
    for name in DOCUMENTS:
        content = (Path(__file__).parents[1] / "docs" / name).read_text("utf-8")
        file_id = (await upload(wire, name, content)).documents[0]["id"]
        await wire.post(f"/vector_stores/{store}/files", {"file_id": file_id})
        await ingested(wire, store, file_id)
    wire.close()
    return store


async def _watch(server: subprocess.Popen[str], data_dir: Path, seconds: float, seen: Seen) -> list[Sample]:
    samples, start = [], time.monotonic()
    with _progress(seconds) as show:
        while (now := time.monotonic() - start) < seconds and server.poll() is None:
            samples.append(sample(server.pid, data_dir, now))
            show(samples, seen)
            await asyncio.sleep(SAMPLE_SECONDS)
    return samples


@contextmanager
def _progress(seconds: float) -> Iterator[Callable[[Sequence[Sample], Seen], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=seconds)

        def show(samples: Sequence[Sample], seen: Seen) -> None:
            last = samples[-1]
            text = f"{seen.num_open} open, {sum(seen.statuses.values())} ended, {last.memory / 1e6:.0f} MB"
            progress.update(task, completed=last.seconds, description=text)

        yield show


if __name__ == "__main__":
    main()

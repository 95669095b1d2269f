"""How good a trained reader is: `python -m benchmarks.reader MODEL [--data ../shared/data] [--vectors] [--write]`.

On the tasks of `owngpt eval`, whose questions, paragraphs and statements are held out from training: search among a
thousand passages (against BM25), answers in the words of a passage, and support of statements (against the overlap of
words).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from benchmarks.machine import hardware, keep
from owngpt.cli.eval import loaded_embedder
from owngpt.cli.eval_reader import answering, searching, supporting
from owngpt.engine.reading import PairReader
from owngpt.evals.run import Contestant, Result, Row, run_task
from owngpt.evals.tasks.answers import TASKS as ANSWERS
from owngpt.evals.tasks.materials import Materials
from owngpt.evals.tasks.search import TASKS as SEARCH
from owngpt.evals.tasks.search import pool
from owngpt.evals.tasks.support import TASKS as SUPPORT
from owngpt.service.models import ServedEmbedder
from owngpt.text.prompts import Language


@click.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--data", default="../shared/data", type=click.Path(path_type=Path), help="Where the archives lie.")
@click.option("--items", default=300, show_default=True, help="Of each task, at most.")
@click.option("--vectors", is_flag=True, help="Also search by the reader's vectors.")
@click.option("--write", is_flag=True, help="Keep the tables in benchmarks/results.")
def main(model: Path, data: Path, items: int, vectors: bool, write: bool) -> None:
    """Print the tables."""
    materials, reader = Materials(data=data), PairReader.load(model)
    with ExitStack() as stack:
        embedder = stack.enter_context(loaded_embedder(str(model))) if vectors else None
        parts = [f"# Reader\n\n{hardware()}"]
        for task in (*ANSWERS, *SUPPORT, *SEARCH):
            asked = task.build(materials)[:items]
            with _contestants(task.name, reader, materials, embedder) as contestants:
                start = time.process_time()
                result = run_task(task, asked, contestants)
                seconds = time.process_time() - start
            parts.append(table(result, seconds))
            click.echo(parts[-1], err=True)
    text = "\n\n".join(parts)
    click.echo(text)
    if write:
        keep("reader", text)


@contextmanager
def _contestants(
    task: str, reader: PairReader, materials: Materials, embedder: ServedEmbedder | None
) -> Iterator[list[Contestant]]:
    kind, _, name = task.partition(".")
    language: Language = "ja" if name == "ja" else "en"
    if kind == "search":
        with searching(reader, pool(materials, language), embedder) as contestants:
            yield contestants
    else:
        yield [answering(reader) if kind == "qa" else supporting(reader)]


def table(result: Result, seconds: float) -> str:
    """Every answerer's figures, and by how much it is ahead of each baseline."""
    names = list(result.rows[0].figures)
    lines = [
        f"## {result.title}: {result.num_items} items, {1e3 * seconds / result.num_items:.0f} ms of CPU each",
        "",
        f"| | {' | '.join(names)} | ahead by ({names[0]}) |",
        "|---" * (len(names) + 2) + "|",
    ]
    return "\n".join([*lines, *(_line(row) for row in result.rows)])


def _line(row: Row) -> str:
    figures = [f"{one.value:.3f} ({one.low:.3f}-{one.high:.3f})" for one in row.figures.values()]
    ahead = [
        f"{one.difference.value:+.3f} ({one.difference.low:+.3f} to {one.difference.high:+.3f}) of {name}"
        for name, one in row.beside.items()
    ]
    return f"| {row.by} | {' | '.join(figures)} | {'; '.join(ahead)} |"


if __name__ == "__main__":
    main()

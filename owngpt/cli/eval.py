"""`owngpt eval`: how good this machine's search is on data of one's own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from owngpt.cli import progress
from owngpt.cli.eval_calibrate import calibrate
from owngpt.cli.eval_citations import citations
from owngpt.cli.eval_pii import pii
from owngpt.cli.eval_run import leaderboard, list_tasks, run, tasks
from owngpt.cli.options import config_option

if TYPE_CHECKING:
    from owngpt.cli.eval_index import EvalIndex, Mode
    from owngpt.evals.beir import SearchData
    from owngpt.evals.retrieval import Report
    from owngpt.service.models import ServedEmbedder


class RunByDefault(click.Group):
    """`owngpt eval --model garlic` is `owngpt eval run --model garlic`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_option = bool(args) and args[0].startswith("-") and args[0] not in ctx.help_option_names
        return super().parse_args(ctx, ["run", *args] if is_option else args)


@click.group(cls=RunByDefault)
def eval() -> None:
    """Measure models on tasks, and answers and searches on data of your own. With options alone it is `run`."""


eval.add_command(run)
eval.add_command(list_tasks)
eval.add_command(leaderboard)
eval.add_command(tasks)
eval.add_command(pii)
eval.add_command(calibrate)
eval.add_command(citations)


@eval.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--embedder", metavar="DIR", help="An embedding model's folder, or ORG/NAME.  [default: the bundled one]")
@click.option("--index", type=click.Path(dir_okay=False, path_type=Path), help="Keep the index here for the next time.")
@click.option("--questions", type=click.IntRange(min=1), help="Ask only the first so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@config_option
def retrieval(
    folder: Path,
    embedder: str | None,
    index: Path | None,
    questions: int | None,
    as_json: bool,
    config_file: Path | None,
) -> None:
    """How well and how fast a search finds what it should: hybrid, by words alone (BM25), by vectors alone.

    FOLDER is laid out as in BEIR: corpus.jsonl, queries.jsonl, qrels/*.tsv. Documents are cut, embedded and ranked
    as the server does it. Each figure is a mean over questions with its 95% interval.
    """
    from owngpt.evals.beir import read_beir

    data = read_beir(folder)
    if questions is not None:
        data = replace(data, questions=data.questions[:questions])
    with opened(embedder, index, config_file) as evaluated:
        reports = measure(evaluated, data)
    click.echo(json.dumps(summary(data, reports)) if as_json else table(data, reports))


@contextmanager
def opened(embedder: str | None, index: Path | None, config_file: Path | None = None) -> Iterator[EvalIndex]:
    """An index with the embedder, in a file or in one that is thrown away."""
    from owngpt.cli.eval_index import EvalIndex

    with tempfile.TemporaryDirectory() as folder, loaded_embedder(embedder, config_file) as model:
        evaluated = EvalIndex(index or Path(folder) / "index.db", model)
        try:
            yield evaluated
        finally:
            evaluated.close()


@contextmanager
def loaded_embedder(name: str | None, config_file: Path | None = None) -> Iterator[ServedEmbedder]:
    """An embedding model alone. Raises `SetupError`s."""
    from owngpt.build import Source, load_model, load_models
    from owngpt.config import Settings
    from owngpt.model.bundled import minilm_folder
    from owngpt.service.models import Models

    settings = Settings.load(config_file, overrides={})
    with progress.shown() as report:
        if name is None:
            models = Models([load_model(Source("all-MiniLM-L6-v2", minilm_folder()), settings, report)])
        else:
            models = load_models(replace(settings, models=(name,), aliases={}), report)
    try:
        yield models.embedder(None)
    finally:
        for model in models.embedders:
            model.embedder.close()
        for generator in models.generative:
            generator.engine.close()


def measure(index: EvalIndex, data: SearchData, modes: Sequence[Mode] | None = None) -> dict[Mode, Report]:
    """Index what is missing and ask every question in every mode, with bars on a terminal."""
    from owngpt.cli.eval_index import MODES
    from owngpt.evals.retrieval import evaluate

    with bar(f"indexing {data.name}", len(index.missing(data))) as step:
        index.fill(data, step)
    reports = {}
    for mode in modes or MODES:
        find = index.search(data, mode)
        find(data.questions[0].text)  # loads the index, which is not a question's time
        with bar(f"asking, {mode}", len(data.questions)) as step:
            reports[mode] = evaluate(find, data.questions, lambda step=step: step(1))  # type: ignore[misc]
    return reports


@contextmanager
def bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the time that is left, on stderr; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(title, total=total)
        yield lambda count: shown.advance(task, count)


def summary(data: SearchData, reports: Mapping[Mode, Report]) -> dict[str, Any]:
    """Means and intervals by mode."""
    return {
        "data": data.name,
        "documents": len(data.documents),
        "questions": len(data.questions),
        "modes": {
            mode: {
                "ndcg@10": report.ndcg._asdict(),
                "recall@10": report.recall._asdict(),
                "mrr@10": report.mrr._asdict(),
                "p50_ms": round(report.latency(0.5), 2),
                "p99_ms": round(report.latency(0.99), 2),
            }
            for mode, report in reports.items()
        },
    }


def table(data: SearchData, reports: Mapping[Mode, Report]) -> str:
    """The same in Markdown."""
    lines = [
        f"{data.name}: {len(data.documents):,} documents, {len(data.questions):,} questions",
        "",
        "| search | nDCG@10 | recall@10 | MRR@10 | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|",
    ]
    for mode, report in reports.items():
        times = f"{report.latency(0.5):.1f} | {report.latency(0.99):.1f}"
        lines.append(f"| {mode} | {report.ndcg} | {report.recall} | {report.mrr} | {times} |")
    return "\n".join(lines)

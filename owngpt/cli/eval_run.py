"""`owngpt eval run`: a model on the tasks of `owngpt/evals/tasks`, beside their baselines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from owngpt import __version__
from owngpt.cli.options import config_option, model_options, server_options, together

if TYPE_CHECKING:
    from owngpt.evals.completer import Completer
    from owngpt.evals.report import Report
    from owngpt.evals.run import Result
    from owngpt.evals.task import Answer, Item, Task
    from owngpt.evals.tasks.materials import Materials

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
items_options = together(
    click.option("--task", "names", multiple=True, metavar="NAME", help="Only these; may be a pattern such as 'qa.*'."),
    click.option("--limit", type=click.IntRange(min=1), help="Only the first so many items of each task."),
    click.option("--data", type=FOLDER, help="The data folder; tasks that need it are left out without it."),
    click.option("--corpus", type=FOLDER, help="What `owngpt train corpus` wrote; likewise."),
)


@click.command()
@click.option("--model", metavar="NAME", help="A folder, ORG/NAME or garlic; at a server its name.  [default: garlic]")
@items_options
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the report here: JSON, and .md beside it."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object instead of tables.")
@server_options
@config_option
@model_options
def run(
    model: str | None,
    names: Sequence[str],
    limit: int | None,
    data: Path | None,
    corpus: Path | None,
    out: Path | None,
    as_json: bool,
    base_url: str | None,
    api_key: str,
    config_file: Path | None,
    **engine: str | None,
) -> None:
    """Measure a model on tasks, each beside its baselines, with 95% intervals.

    The model is loaded here, or (with --base-url) any one behind the OpenAI API. Tasks that need neither data nor a
    corpus run anywhere; `owngpt eval list` says which.
    """
    from owngpt.evals.report import markdown, write_report
    from owngpt.evals.tasks.materials import Materials
    from owngpt.evals.tasks.registry import chosen

    tasks, materials = chosen(names), Materials(data, corpus)
    with _completer(model, base_url, api_key, config_file, engine) as completer:
        report = evaluate(completer, tasks, materials, limit)
    if out is not None:
        write_report(report, out)
    click.echo(json.dumps(report.to_json(), ensure_ascii=False) if as_json else markdown(report))


@click.command("list")
def list_tasks() -> None:
    """What can be measured, and what each task needs."""
    from owngpt.evals.tasks.registry import ALL

    for task in ALL.values():
        needs = "" if task.needs == "nothing" else f"  needs --{task.needs}"
        metrics = ", ".join(metric.name for metric in task.metrics)
        click.echo(f"{task.name:16} {task.title}: {metrics}; beside {', '.join(task.baselines)}{needs}")


def evaluate(completer: Completer, tasks: Sequence[Task], materials: Materials, limit: int | None) -> Report:
    """Run what can be run, and say why the rest is left out."""
    from owngpt.evals.completer import Unable
    from owngpt.evals.report import Report

    results: list[Result] = []
    left_out: dict[str, str] = {}
    for number, task in enumerate(tasks, start=1):
        if not materials.has(task.needs):
            left_out[task.name] = f"needs --{task.needs}"
            continue
        items = task.build(materials)[:limit]
        try:
            results.append(_measured(completer, task, items, f"{number}/{len(tasks)} {task.name}"))
        except Unable as error:
            left_out[task.name] = str(error)
        else:
            click.echo(f"{task.name}: {len(items)} items in {results[-1].seconds:.1f} s", err=True)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    return Report(completer.name, made, f"owngpt {__version__}", results, left_out, {"limit": limit})


def _measured(completer: Completer, task: Task, items: Sequence[Item], title: str) -> Result:
    from owngpt.cli.eval import bar
    from owngpt.evals.completer import answer_all
    from owngpt.evals.run import Contestant, run_task

    with bar(title, len(items)) as step:

        def answer(asked: Sequence[Item]) -> Sequence[Answer]:
            return asyncio.run(answer_all(completer, task, asked, lambda: step(1)))

        return run_task(task, items, [Contestant(completer.name, "model", answer)])


def _completer(
    model: str | None, base_url: str | None, api_key: str, config_file: Path | None, engine: dict[str, Any]
) -> AbstractContextManager[Completer]:
    from owngpt.cli.eval_local import local_completer
    from owngpt.cli.eval_remote import remote_completer

    if base_url is not None:
        return remote_completer(model, base_url, api_key)
    return local_completer(model, config_file, engine)

"""`owngpt eval run | list | leaderboard | tasks`: models on the tasks of `owngpt/evals/tasks`, beside baselines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from owngpt.cli.options import config_option, model_options, server_options, together

if TYPE_CHECKING:
    from owngpt.evals.completer import Completer
    from owngpt.evals.task import Answer, Item

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
HERE = click.Path(exists=True, file_okay=False, path_type=Path)
tasks_options = together(
    click.option("--task", "names", multiple=True, metavar="NAME", help="Only these; may be a pattern such as 'qa.*'."),
    click.option("--data", type=HERE, help="The data folder; tasks that need it are left out without it."),
    click.option("--corpus", type=HERE, help="What `owngpt train corpus` wrote; likewise."),
)


@click.command()
@click.option("--model", metavar="NAME", help="A folder, ORG/NAME or garlic; at a server its name.  [default: garlic]")
@tasks_options
@click.option("--items", type=HERE, help="What `owngpt eval tasks build` wrote, instead of data and corpus.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many items of each task.")
@click.option(
    "--ngram",
    "token_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A token file that the model was trained on: adds a 5-gram of the same tokens. Several may be given.",
)
@click.option("--embedder", metavar="DIR", help="An embedding model for search.  [default: the bundled one]")
@click.option("--reasoning-effort", help="How long a reasoning model may think, for example none.")
@click.option("--out", type=FILE, help="Write the report here: JSON, and .md beside it.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object instead of tables.")
@server_options
@config_option
@model_options
def run(
    model: str | None,
    names: Sequence[str],
    data: Path | None,
    corpus: Path | None,
    items: Path | None,
    limit: int | None,
    token_files: Sequence[Path],
    embedder: str | None,
    reasoning_effort: str | None,
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
    from owngpt.cli.eval_session import Session
    from owngpt.evals.report import markdown, write_report
    from owngpt.evals.tasks.materials import Materials
    from owngpt.evals.tasks.registry import chosen

    tasks = chosen(names)
    with _completer(model, base_url, api_key, reasoning_effort, config_file, engine) as completer:
        baseline = _ngram(completer, token_files)
        report = Session(completer, Materials(data, corpus), items, limit, embedder, baseline).run(tasks)
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
        click.echo(f"{task.name:16} {task.title}: {metrics}; beside {', '.join(task.baselines) or 'BM25'}{needs}")


@click.command()
@click.argument("reports", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--published", type=FILE, help="Vendors' own figures (JSON), shown apart and marked as theirs.")
@click.option("--out", type=FILE, help="Write one page of HTML here.")
def leaderboard(reports: Sequence[Path], published: Path | None, out: Path | None) -> None:
    """Put REPORTS of `owngpt eval run` side by side, if they come from the same items and prompts.

    Prints Markdown. Of two reports of one model the later one counts, task by task.
    """
    from owngpt.evals.leaderboard import markdown, read_published, side_by_side
    from owngpt.evals.leaderboard_page import page
    from owngpt.evals.report import read_report

    board = side_by_side([read_report(file) for file in reports])
    theirs = [] if published is None else read_published(published)
    if out is not None:
        out.write_text(page(board, theirs), encoding="utf-8")
    click.echo(markdown(board, theirs))


@click.group()
def tasks() -> None:
    """The items of tasks, as files."""


@tasks.command()
@tasks_options
@click.option("--out", type=FOLDER, required=True, help="Folder for the items, for `owngpt eval run --items`.")
def build(names: Sequence[str], data: Path | None, corpus: Path | None, out: Path) -> None:
    """Write the items of tasks, to measure with them where there are no data and no corpus."""
    from owngpt.evals.tasks.frozen import freeze
    from owngpt.evals.tasks.materials import Materials
    from owngpt.evals.tasks.registry import chosen

    for name, count in freeze(chosen(names), Materials(data, corpus), out).items():
        click.echo(f"{name}: {count} items")


@tasks.command()
@tasks_options
@click.option("--items", type=HERE, help="What `owngpt eval tasks build` wrote, instead of data and corpus.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many items of each task.")
@click.option("--lm-eval", "out", type=FOLDER, required=True, help="Folder for lm-evaluation-harness's --include_path.")
def export(
    names: Sequence[str], data: Path | None, corpus: Path | None, items: Path | None, limit: int | None, out: Path
) -> None:
    """Write tasks for lm-evaluation-harness, which then finds the same scores over HTTP.

    Tasks with the tag owngpt_chat want --apply_chat_template, those with owngpt_text must not have it. Search and
    filling in are left out: the harness has no way to ask for them.
    """
    from owngpt.evals.harness import export as write
    from owngpt.evals.harness import is_exported
    from owngpt.evals.tasks.frozen import items_of
    from owngpt.evals.tasks.materials import Materials
    from owngpt.evals.tasks.registry import chosen

    materials = Materials(data, corpus)
    found = [(task, items_of(task, materials, items)) for task in chosen(names) if is_exported(task)]
    for name in write([(task, some[:limit]) for task, some in found if some is not None], out):
        click.echo(name)


@contextmanager
def _completer(
    model: str | None,
    base_url: str | None,
    api_key: str,
    effort: str | None,
    config_file: Path | None,
    engine: dict[str, Any],
) -> Iterator[Completer]:
    from owngpt.cli.eval_local import local_completer
    from owngpt.cli.eval_remote import remote_completer

    if base_url is not None:
        yield remote_completer(model, base_url, api_key, effort)
        return
    is_thinking = None if effort is None else effort != "none"
    with local_completer(model, config_file, engine, is_thinking=is_thinking) as completer:
        yield completer


def _ngram(completer: Completer, files: Sequence[Path]) -> Callable[[Sequence[Item]], list[Answer]] | None:
    """A 5-gram of the tokens of these files, which must be those of the model."""
    from owngpt.cli.eval_local import LocalCompleter
    from owngpt.evals.ngram import NGrams, ngram_baseline, read_token_files

    if not files:
        return None
    if not isinstance(completer, LocalCompleter):
        raise click.UsageError("--ngram needs a model that is loaded here, for its tokenizer")
    tokens = read_token_files(files)
    click.echo(f"counting {len(tokens):,} tokens for a 5-gram", err=True)
    tokenizer = completer.tokenizer
    if tokens.max(initial=0) >= tokenizer.vocab_size:
        raise click.UsageError(
            f"--ngram: the files hold token {tokens.max()}, and {completer.name} has {tokenizer.vocab_size}; "
            "name those that it was trained on"
        )
    return ngram_baseline(NGrams(tokens, tokenizer.vocab_size), tokenizer.encode, completer.start)

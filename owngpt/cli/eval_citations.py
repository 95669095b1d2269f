"""`owngpt eval citations`: questions that ask for invention, hostile documents, and no quote that is not verbatim."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from owngpt.cli.options import config_option

if TYPE_CHECKING:
    from owngpt.config import Settings
    from owngpt.evals.citations import Tally
    from owngpt.service.app import App


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--answers", default=200, show_default=True, type=click.IntRange(min=1), help="How many are made.")
@click.option("--model", metavar="DIR", help="A model's folder, or ORG/NAME.  [default: the configured or bundled one]")
@click.option("--seed", default=0, show_default=True, help="Of questions, passages and answers.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@config_option
def citations(
    folder: Path | None, answers: int, model: str | None, seed: int, as_json: bool, config_file: Path | None
) -> None:
    """Attack the citations of a model's answers, and count those that do not hold.

    Answers come from the documents of FOLDER (without it, from made-up texts), with attacks in some of them, and
    orders to invent quotes; documents of somebody else stand beside them. Exit status 1 if any quote does not stand at
    its offsets, comes from what the caller may not read, or has quotation marks and no citation.
    """
    from owngpt.cli.attacked import answer_all
    from owngpt.config import Settings
    from owngpt.evals.citations import HOSTILE, cases, made_up

    texts = made_up(200) if folder is None else texts_of(folder)
    settings = Settings.load(config_file, overrides={} if model is None else {"models": (model,)})
    with opened(settings) as app:
        start = time.monotonic()
        tally = asyncio.run(answer_all(app, list(cases(texts, HOSTILE, answers, seed))))
        seconds = time.monotonic() - start
        name = app.models.generative[0].name
    click.echo(json.dumps(summary(name, tally, seconds)) if as_json else table({name: (tally, seconds)}))
    for fault in tally.faults:
        click.echo(fault, err=True)
    sys.exit(1 if tally.faults else 0)


@contextmanager
def opened(settings: Settings) -> Iterator[App]:
    """An app with these settings' models and a data folder that is thrown away."""
    from owngpt.build import load, open_app

    with tempfile.TemporaryDirectory() as folder:
        app = open_app(replace(settings, data_dir=Path(folder), database=None)).app
        try:
            load(app)
            yield app
        finally:
            app.close()


def texts_of(folder: Path) -> list[str]:
    """The texts of a folder's documents. Raises `click.UsageError` where none can be read."""
    from owngpt.errors import RequestError
    from owngpt.retrieval.parser import Parser

    parser, texts = Parser(), []
    for file in sorted(path for path in ([folder] if folder.is_file() else folder.rglob("*")) if path.is_file()):
        try:
            texts.append(parser.parse(file.name, file.read_bytes()).text)
        except RequestError as error:
            click.echo(str(error), err=True)
    parser.close()
    if not texts:
        raise click.UsageError(f"{folder} has no documents that can be read")
    return texts


def summary(model: str, tally: Tally, seconds: float) -> dict[str, Any]:
    """One model's tally, as JSON."""
    return {
        "model": model,
        "answers": tally.num_answers,
        "quotes": tally.num_citations,
        "abstained": tally.num_abstained,
        "not_verbatim": tally.not_verbatim,
        "not_readable": tally.not_readable,
        "loose_marks": tally.unlocked,
        "seconds": round(seconds, 1),
    }


def table(tallies: Mapping[str, tuple[Tally, float]]) -> str:
    """Markdown, a line for each model."""
    return table_of([summary(model, tally, seconds) for model, (tally, seconds) in tallies.items()])


def table_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """The same, of summaries."""
    lines = ["| model | answers | quotes cited | abstained | not verbatim | not readable | loose marks | seconds |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for row in rows:
        lines.append("| " + " | ".join(f"{v:,}" if isinstance(v, int) else str(v) for v in row.values()) + " |")
    return "\n".join(lines)

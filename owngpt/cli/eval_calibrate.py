"""`owngpt eval calibrate`: from which confidence on to answer, found on one's own questions."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from owngpt.cli.keys import place_options
from owngpt.cli.organization import open_store, print_table
from owngpt.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from owngpt.evals.calibration import OwnQuestion
    from owngpt.store.db import Database
    from owngpt.trust.calibrate import Calibration, Of, Outcome

_PASSAGE = 1_600  # characters of a passage


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--project", metavar="ID_OR_NAME", help="Whose threshold it becomes.  [default: only report]")
@click.option(
    "--folder",
    type=click.Path(exists=True, path_type=Path),
    help="Documents whose threshold it becomes: for `owngpt ask FOLDER`.",
)
@click.option("--rate", default=0.05, show_default=True, type=click.FloatRange(0.001, 0.5), help="Of false answers.")
@click.option(
    "--confidence", default=0.95, show_default=True, type=click.FloatRange(0.5, 0.999), help="That the rate holds."
)
@click.option(
    "--of",
    default="questions",
    show_default=True,
    type=click.Choice(["questions", "answers"]),
    help="What the rate is a part of: all questions, or (stricter) the answers that are given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@place_options
def calibrate(
    file: Path,
    project: str | None,
    folder: Path | None,
    rate: float,
    confidence: float,
    of: Of,
    as_json: bool,
    config_file: Path | None,
    data_dir: str | None,
    database: str | None,
) -> None:
    """Find the threshold of support from which on questions are answered.

    FILE has a JSON object on each line: "question", "answer" (a few words that a right answer contains, or null where
    the documents do not answer), and "file" (a document beside FILE). Every question is asked of all documents. Put in
    as many that cannot be answered as your users ask; at least 59 questions are needed for 5% at 95%.
    """
    from owngpt.evals.calibration import as_json as document
    from owngpt.evals.calibration import read_questions
    from owngpt.trust.calibrate import calibrate as find

    questions = read_questions(file)
    outcomes = asyncio.run(_ask(questions, passages_of(file.parent, questions), config_file))
    found = {name: find(some, rate=rate, confidence=confidence, of=of) for name, some in outcomes.items()}
    if project is not None:
        with open_store(config_file, data_dir, database) as db:
            put_all(db, project, found)
    if folder is not None:
        put_for_ask(config_file, data_dir, folder, found)
    if as_json:
        click.echo(json.dumps({language: document(calibration) for language, calibration in found.items()}))
    else:
        show(found)


def passages_of(folder: Path, questions: Sequence[OwnQuestion]) -> list[str]:
    """All passages of all documents that the questions name. Raises `InvalidRequest` for one that is not there."""
    from owngpt.retrieval.chunk import chunk
    from owngpt.retrieval.parse import parse

    found = []
    for name in sorted({question.file for question in questions if question.file is not None}):
        path = folder / name
        if not path.is_file():
            raise InvalidRequest(f"the document {name!r} is not beside the questions, in {folder}")
        document = parse(path.name, path.read_bytes())
        found += [piece.text for piece in chunk(document, count=len, max_tokens=_PASSAGE, overlap=0)]
    return found


async def _ask(
    questions: Sequence[OwnQuestion], passages: Sequence[str], config_file: Path | None
) -> dict[str, list[Outcome]]:
    from owngpt.cli.eval import loaded_embedder
    from owngpt.evals.calibration import ask_all
    from owngpt.service.evidence import embed_with, reads
    from owngpt.service.workers import Workers

    with loaded_embedder(None, config_file) as served:
        embed = embed_with(served, Workers())
        asked = await ask_all(questions, passages, lambda question: embed if reads(served, question) else None)
        return {str(language): outcomes for language, outcomes in asked.items()}


def put_all(db: Database, project: str, found: Mapping[str, Calibration]) -> None:
    """The threshold of each language."""
    for language, calibration in found.items():
        put(db, project, language, calibration)


def put_for_ask(config_file: Path | None, data_dir: str | None, folder: Path, found: Mapping[str, Calibration]) -> None:
    """Make it the one of `owngpt ask` on this folder, whether or not it has been asked before."""
    from owngpt.cli.library import index_folder
    from owngpt.config import Settings
    from owngpt.store.opening import open_database
    from owngpt.store.projects import Projects

    settings = Settings.load(config_file, overrides={"data_dir": data_dir})
    place = index_folder(settings.data_dir, folder)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    with closing(open_database(place)) as db:
        put_all(db, Projects(db).ensure().name, found)


def put(db: Database, project: str, language: str, found: Calibration) -> None:
    """Make it the project's."""
    from owngpt.store.projects import Projects
    from owngpt.store.thresholds import Threshold, Thresholds

    owner = next((each for each in Projects(db).list() if project in (each.id, each.name)), None)
    if owner is None:
        raise NotFound(f"no project has the id or name {project!r}; `owngpt projects list` shows them")
    threshold = Threshold(
        found.threshold,
        found.num_questions,
        found.rate,
        found.bound,
        found.confidence,
        found.answered,
        int(time.time()),
    )
    Thresholds(db).put(owner.id, language, threshold)


def show(found: dict[str, Calibration]) -> None:
    """A line for each language."""
    header = ("LANGUAGE", "THRESHOLD", "QUESTIONS", "ANSWERED", "FALSE", "BOUND")
    rows = [
        (
            language,
            f"{one.threshold:.3f}" if one.num_answered else "never",
            str(one.num_questions),
            f"{one.answered:.1%}",
            f"{one.rate:.1%} of {one.of}",
            f"{one.bound:.1%} at {one.confidence:.0%}",
        )
        for language, one in found.items()
    ]
    print_table(header, rows)
    for language, one in found.items():
        if not one.num_answered:
            click.echo(f"{language}: no threshold can be certified; ask more questions, or allow a higher --rate.")

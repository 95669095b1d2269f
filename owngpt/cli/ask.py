"""`owngpt ask`: a question to the documents of a folder, with no server."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from owngpt.cli import progress
from owngpt.cli.options import config_option, data_dir_option, model_options
from owngpt.config import Settings
from owngpt.errors import InvalidRequest

if TYPE_CHECKING:
    from owngpt.cli.findings import Answer, FileReport
    from owngpt.cli.folder import Seen
    from owngpt.cli.library import Advance, Changes, Library
    from owngpt.service.grounded import GroundingOptions, Mode

ABSTAINED = 3  # exit status: the documents do not answer


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.argument("question", required=False)
@click.option(
    "--mode",
    type=click.Choice(["extract", "quote"]),
    help="extract: the best sentences, word for word. "
    "quote: an answer in the model's words, with quotes.  [default: quote with --model, else extract]",
)
@click.option("--model", metavar="MODEL", help="A folder or ORG/NAME that answers.  [default: the bundled one]")
@click.option("--always", is_flag=True, help="Answer also where the documents hardly do; the verdict is then `partly`.")
@click.option("--files", "with_files", is_flag=True, help="List what was read, and what could not be, and why.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--forget", is_flag=True, help="Delete the index of FOLDER, and do nothing else.")
@config_option
@data_dir_option
@model_options
def ask(
    folder: Path,
    question: str | None,
    mode: Mode | None,
    model: str | None,
    always: bool,
    with_files: bool,
    as_json: bool,
    forget: bool,
    config_file: Path | None,
    data_dir: str | None,
    **engine: str | None,
) -> None:
    """Ask the documents in FOLDER (or one document) a QUESTION.

    The answer is made of what stands in them, with file, page or line, and characters; or it says that they do not
    answer. Exit status: 0 answered, 3 not answered, 2 something is to be mended.

    All formats that the server reads are read, in subfolders as well, but no hidden files, links, or what .gitignore
    names. What is read is kept in the data folder; the next time, only what has changed is read.
    """
    given = {"models": (model,) if model else None, "data_dir": data_dir, **engine}
    settings = Settings.load(config_file, overrides=given)
    if forget:
        from owngpt.cli.library import forget as forget_index

        click.echo(
            f"The index of {folder} is deleted." if forget_index(settings.data_dir, folder) else "There is none."
        )
        return
    if not with_files and not (question or "").strip():
        raise click.UsageError('ask something: owngpt ask FOLDER "question"; or list what is read: --files')
    from owngpt.service.grounded import GroundingOptions

    options = GroundingOptions(mode or ("quote" if settings.models else "extract"), abstain=not always)
    answer, files = _run(settings, folder.absolute(), question, options)
    _print(folder, answer, files if with_files else None, as_json=as_json)
    if answer is not None and answer.is_abstained:
        raise click.exceptions.Exit(ABSTAINED)


def _run(
    settings: Settings, path: Path, question: str | None, options: GroundingOptions
) -> tuple[Answer | None, Sequence[FileReport]]:
    from owngpt.cli.findings import file_reports
    from owngpt.cli.library import opened

    folder = path if path.is_dir() else path.parent
    seen = _seen(path, settings.server.max_file_bytes)
    with opened(settings, path, folder, _loading, _say_waiting) as library:
        answer = asyncio.run(_ask(library, folder, seen, question, options))
        return answer, file_reports(library, folder)


def _seen(path: Path, max_bytes: int) -> list[Seen]:
    from owngpt.cli.folder import cannot_open, look, look_at

    try:
        return look(path, max_bytes) if path.is_dir() else [look_at(path, max_bytes)]
    except OSError as error:
        raise InvalidRequest(f"{path}: {cannot_open(error)}") from error


async def _ask(
    library: Library, folder: Path, seen: Sequence[Seen], question: str | None, options: GroundingOptions
) -> Answer | None:
    from owngpt.cli.findings import collect, file_reports

    with _reading() as advance:
        changes = await library.refresh(seen, advance)
    files = file_reports(library, folder)
    _say_read(changes, files)
    if not question:
        return None
    if not any(file.status == "read" for file in files):
        why = "; ".join(f"{file.file}: {file.reason}" for file in files[:5])
        raise InvalidRequest(f"there is no document in {folder} that can be read{f' ({why})' if why else ''}")
    return collect(library, folder, question, options.mode, await library.ask(question, options))


def _print(folder: Path, answer: Answer | None, files: Sequence[FileReport] | None, *, as_json: bool) -> None:
    from rich.console import Console

    from owngpt.cli.findings import answer_json, file_json, show_answer, show_files

    if as_json:
        document: dict[str, Any] = {"folder": str(folder.absolute())}
        document |= answer_json(answer) if answer else {}
        document |= {"files": [file_json(file) for file in files]} if files is not None else {}
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    console = Console(highlight=False, markup=False, emoji=False)
    if files is not None:
        show_files(files, console)
    if answer is not None:
        show_answer(answer, console)


def _say_read(changes: Changes, files: Sequence[FileReport]) -> None:
    """On standard error, and only where something has happened."""
    if news := [f"{number} {word}" for word, number in changes._asdict().items() if number]:
        unread = sum(file.status == "unread" for file in files)
        hint = f", {unread} could not be (--files says why)" if unread else ""
        click.echo(f"{', '.join(news)}; {len(files) - unread} files are read{hint}", err=True)


def _say_waiting() -> None:
    click.echo("another `owngpt ask` works on this folder; waiting for it", err=True)


@contextmanager
def _loading() -> Iterator[progress.Report | None]:
    """Bars on a terminal; elsewhere nothing, because the bundled models load at once."""
    if not sys.stderr.isatty():
        yield None
        return
    with progress.shown() as report:
        yield report


@contextmanager
def _reading() -> Iterator[Advance]:
    """A bar on a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total, current: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("reading"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, total, current: bars.update(task, completed=done, total=total or None, description=current)

"""`owngpt complete FILE:LINE[:COL]`: what could stand at a place of a file."""

from __future__ import annotations

import json
import re
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import click

from owngpt.cli.answers import Answers, ServerAnswers, events
from owngpt.cli.neighbours import neighbours
from owngpt.cli.options import config_option, model_options, server_options
from owngpt.cli.repository import around
from owngpt.config import Settings

ROUTE = "fim/completions"
MAX_SIDE = 200_000  # characters that are sent of either side


class Place(NamedTuple):
    """A file, and where in it: lines and columns count from 1; without a column it is the end of the line."""

    file: Path
    line: int
    column: int | None


class PlaceType(click.ParamType):  # type: ignore[type-arg]
    """FILE:LINE[:COL]."""

    name = "FILE:LINE[:COL]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        found = re.fullmatch(r"(.+?):([1-9]\d{0,8})(?::([1-9]\d{0,8}))?", str(value))
        if found is None:
            self.fail(
                f"{value!r} names no place; write FILE:LINE or FILE:LINE:COL, for example main.py:12:5", param, ctx
            )
        return Place(Path(found[1]), int(found[2]), int(found[3]) if found[3] else None)


@click.command()
@click.argument("place", type=PlaceType())
@click.option("--model", help="A folder or ORG/NAME; with --base-url, one that is served there.  [default: garlic]")
@click.option("--mode", type=click.Choice(["auto", "line", "block"]), default="auto", help="How much to write.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="The longest completion.  [default: 64 or 256]")
@click.option(
    "--context-tokens", type=click.IntRange(min=0), default=1024, show_default=True, help="Of other files; 0 for none."
)
@click.option(
    "--stdin", "is_stdin", is_flag=True, help="Read the file's text from standard input: it is not saved yet."
)
@click.option("--json", "as_json", is_flag=True, help="Print the text with what it was made of, as JSON.")
@server_options
@config_option
@model_options
def complete(
    place: Place,
    model: str | None,
    mode: str,
    max_tokens: int | None,
    context_tokens: int,
    is_stdin: bool,
    as_json: bool,
    base_url: str | None,
    api_key: str,
    config_file: Path | None,
    **engine: str | None,
) -> None:
    """Print what could stand at a place of a file: the rest of a line, or a block.

    Parts of other files of the repository that fit are shown to the model, too: what is imported, what is similar, and
    what was changed lately, by git. Nothing is printed where nothing fits without breaking the file.
    """
    request = request_for(place, _text(place, is_stdin), context_tokens)
    request |= {"mode": mode, "max_tokens": max_tokens, "model": model if base_url else None, "stream": True}
    body = {name: value for name, value in request.items() if value is not None}
    with _answers(model, base_url, api_key, config_file, engine) as answers, answers.lines(body) as lines:
        chunks = list(events(lines))
    text = "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)
    if as_json:
        last = chunks[-1]
        click.echo(json.dumps({"text": text, "context": last["context"], "usage": last["usage"]}, ensure_ascii=False))
    elif text:
        click.echo(text)


def request_for(place: Place, text: str, context_tokens: int) -> dict[str, Any]:
    """The body of a request to complete at a place of a text."""
    offset = offset_of(place, text)
    repository = around(place.file.absolute())
    name = _name_in(repository.root, place.file)
    others = neighbours(repository, name, text, place.line - 1) if context_tokens else []
    return {
        "prompt": text[max(0, offset - MAX_SIDE) : offset],
        "suffix": text[offset : offset + MAX_SIDE],
        "path": name,
        "repository": repository.name[:256],
        "context": [{"path": other.path, "text": other.text} for other in others],
        "max_context_tokens": context_tokens,
    }


def offset_of(place: Place, text: str) -> int:
    """The character in a text at which a place is. Raises `click.BadParameter` where it has no such place."""
    lines = text.split("\n")
    if place.line > len(lines):
        raise click.BadParameter(f"{place.file} has {len(lines)} lines; there is no line {place.line}")
    line = lines[place.line - 1].rstrip("\r")
    column = len(line) + 1 if place.column is None else place.column
    if column > len(line) + 1:
        raise click.BadParameter(f"line {place.line} of {place.file} has {len(line)} characters; column is {column}")
    return sum(len(before) + 1 for before in lines[: place.line - 1]) + column - 1


def _text(place: Place, is_stdin: bool) -> str:
    if is_stdin:
        return sys.stdin.read()
    try:
        return place.file.read_bytes().decode()
    except OSError as error:
        raise click.BadParameter(f"{place.file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{place.file} is no UTF-8 text") from error


def _name_in(root: Path, file: Path) -> str:
    path = file.absolute()
    resolved = path.resolve()
    return resolved.relative_to(root.resolve()).as_posix() if resolved.is_relative_to(root.resolve()) else path.name


def _answers(
    model: str | None, base_url: str | None, api_key: str, config_file: Path | None, engine: dict[str, str | None]
) -> AbstractContextManager[Answers]:
    if base_url:
        return nullcontext(ServerAnswers(base_url, api_key, ROUTE))
    from owngpt.cli.chat import loaded_here

    given = {"models": (model,) if model else None, **engine}
    return loaded_here(Settings.load(config_file, overrides=given), ROUTE)

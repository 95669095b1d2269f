"""`owngpt chat`: a conversation in the terminal, with a running server or with a model loaded here."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from owngpt.cli import progress
from owngpt.cli.answers import CHATS, Answers, AppAnswers, ServerAnswers, deltas
from owngpt.cli.options import config_option, model_options, server_options
from owngpt.cli.remote import AnswerFailed
from owngpt.config import Settings

ReadLine = Callable[[], str | None]  # a line with its end; None or "" at the end of input


@click.command()
@click.argument("model", required=False)
@server_options
@click.option("--system", metavar="TEXT", help="Instructions that stand before the conversation.")
@click.option("--temperature", type=float, help="0 is always the likeliest word; higher is more varied.")
@click.option("--max-tokens", type=int, help="The longest answer.")
@click.option("--reasoning-effort", help="How long a reasoning model may think: none, low, medium or high.")
@config_option
@model_options
def chat(
    model: str | None,
    base_url: str | None,
    api_key: str,
    system: str | None,
    temperature: float | None,
    max_tokens: int | None,
    reasoning_effort: str | None,
    config_file: Path | None,
    **engine: str | None,
) -> None:
    """Talk to MODEL: with --base-url one that is served there, otherwise a folder or ORG/NAME that is loaded here.

    Ctrl-C stops an answer, /clear forgets the conversation, /exit or Ctrl-D ends it.
    """
    request: dict[str, Any] = {
        "model": model if base_url else None,
        "temperature": temperature,
        "max_completion_tokens": max_tokens,
        "reasoning_effort": reasoning_effort,
        "stream": True,
    }
    messages = [{"role": "system", "content": system}] if system else []
    with _answers(model, base_url, api_key, config_file, engine) as answers:
        converse(answers, {name: value for name, value in request.items() if value is not None}, messages, _reader())


def converse(answers: Answers, request: dict[str, Any], messages: list[dict[str, str]], read: ReadLine) -> None:
    """Ask and answer until there is nothing to read. A question that failed is taken back."""
    num_first = len(messages)
    while (text := (read() or "/exit").strip()) != "/exit":
        if text == "/clear":
            del messages[num_first:]
        if text in ("", "/clear"):
            continue
        messages.append({"role": "user", "content": text})
        try:
            answer = show(answers, {**request, "messages": messages})
        except AnswerFailed as error:
            if not sys.stdin.isatty():
                raise
            click.echo(f"Error: {error}", err=True)
            messages.pop()
        else:
            messages.append({"role": "assistant", "content": answer})


def show(answers: Answers, request: dict[str, Any]) -> str:
    """Print an answer as it comes, thinking in grey on a terminal; -> its text, as far as Ctrl-C let it come."""
    parts: list[str] = []
    is_terminal = sys.stdout.isatty()
    try:
        with answers.lines(request) as lines:
            for text, is_thinking in deltas(lines):
                if not is_thinking:
                    parts.append(text)
                    click.echo(without_controls(text) if is_terminal else text, nl=False)
                elif is_terminal:
                    click.echo(click.style(without_controls(text), dim=True), nl=False)
    except KeyboardInterrupt:
        click.echo(" [stopped]", nl=False, err=True)
    click.echo()
    return "".join(parts)


def without_controls(text: str) -> str:
    """What a model writes may be shown, not obeyed: no escape sequences, only line ends and tabs."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", text)


def _reader() -> ReadLine:
    """What reads the next question: with a prompt and line editing on a terminal, one line at a time elsewhere."""
    if not sys.stdin.isatty():
        return _read_line
    import readline  # noqa: F401  its import gives input() history and editing

    return _ask


def _read_line() -> str:
    return sys.stdin.readline()


def _ask() -> str | None:
    try:
        return input("> ") + "\n"
    except KeyboardInterrupt:  # perhaps meant for an answer that has just ended
        click.echo("\n/exit or Ctrl-D ends the conversation", err=True)
        return "\n"
    except EOFError:
        click.echo()
        return None


def _answers(
    model: str | None, base_url: str | None, api_key: str, config_file: Path | None, engine: dict[str, str | None]
) -> AbstractContextManager[Answers]:
    if base_url:
        if used := [name for name, value in {"config": config_file, **engine}.items() if value is not None]:
            option = f"--{used[0].replace('_', '-')}"
            raise click.UsageError(f"{option} is for a model that is loaded here; it has no effect on a server's")
        return nullcontext(ServerAnswers(base_url, api_key))
    given = {"models": (model,) if model else None, **engine}
    return loaded_here(Settings.load(config_file, overrides=given))


@contextmanager
def loaded_here(settings: Settings, route: str = CHATS) -> Iterator[Answers]:
    """The whole server in this process, without a port, on a database that is thrown away afterwards."""
    from anyio.from_thread import start_blocking_portal

    from owngpt.build import load, open_app
    from owngpt.server.asgi import create_app

    with TemporaryDirectory() as folder, start_blocking_portal() as portal:
        app, key = open_app(replace(settings, data_dir=Path(folder), database=None, api_key=None))
        assert key is not None, "an empty database has no key yet"
        try:
            with progress.shown() as report:
                load(app, report)
            yield AppAnswers(create_app(app), portal, key, route)
        finally:
            app.close()

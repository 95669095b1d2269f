"""`owngpt replay`: make a stored answer again, without a server, and say what differs."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from owngpt.cli import progress
from owngpt.cli.options import config_option, data_dir_option, database_option
from owngpt.config import Settings
from owngpt.errors import ConfigError, NotFound, RequestError
from owngpt.service.generate import Prepared
from owngpt.service.models import ServedModel
from owngpt.service.receipts import Inputs, Output, read_outputs
from owngpt.service.replay import Change, Parting, fingerprint_changes, input_changes, is_whole, partings, run_again
from owngpt.store.opening import look_at_database
from owngpt.store.receipts import Receipt, Receipts

REPRODUCED, DIFFERS = 0, 1


@click.command()
@click.argument("receipt_id", metavar="ID")
@click.option(
    "--model", metavar="DIR", help="The model, if it is not among those of the settings: a folder or ORG/NAME."
)
@click.option("--dtype", help="Number format of the weights.  [default: that of the receipt]")
@click.option("--threads", metavar="N", help="Threads that compute; they change no bit.")
@data_dir_option
@database_option
@config_option
@click.pass_context
def replay(
    ctx: click.Context,
    receipt_id: str,
    model: str | None,
    dtype: str | None,
    threads: str | None,
    data_dir: str | None,
    database: str | None,
    config_file: Path | None,
) -> None:
    """Make the answer ID again from its receipt, and compare every token and every log-probability.

    ID is the answer's own id; a receipt is kept of answers whose request says `store`. The server may run or not.
    Exit status 0: identical. 1: it differs, and is said where. 2: it cannot be replayed here.
    """
    place = {"data_dir": data_dir, "database": database}
    given = {"models": (model,) if model else None, "dtype": dtype, "threads": threads, **place}
    settings = Settings.load(config_file, overrides=given)
    receipt = find(settings, receipt_id)
    click.echo(f"{receipt.id}, {_when(receipt.created_at)}, {receipt.operation} with {receipt.model}")
    if hashlib.sha256(receipt.inputs.encode()).hexdigest() != receipt.digest:
        click.echo("the receipt has been altered: its inputs are not those that its digest stands for")
        ctx.exit(DIFFERS)
    inputs, then = documents(receipt)
    plain = replace(settings.engine, speculation="off", prefix_cache=False)
    engine = replace(plain, dtype=dtype or inputs.fingerprint.dtype, max_model_len=inputs.max_model_len)
    with loaded(replace(settings, engine=engine), None if model else receipt.model) as served:
        show_changes(
            fingerprint_changes(inputs.fingerprint, served.fingerprint) + request_changes(receipt, inputs, served)
        )
        now = asyncio.run(run_again(served, inputs, then))
        found = partings(then, now, served.tokenizer)
    show_outcome(then, found)
    ctx.exit(DIFFERS if found else REPRODUCED)


def find(settings: Settings, receipt_id: str) -> Receipt:
    """From the database of a server that runs or does not. Raises `NotFound`, and `ConfigError` without a database."""
    database = look_at_database(settings.data_dir, settings.database)
    try:
        receipt = Receipts(database).find(receipt_id)
    finally:
        database.close()
    if receipt is None:
        raise NotFound(
            f"there is no receipt of {receipt_id!r}; one is kept where a request says store, or the server does"
        )
    return receipt


def documents(receipt: Receipt) -> tuple[Inputs, list[Output]]:
    """What it says. Raises `ConfigError` for what this version of owngpt cannot read."""
    try:
        return Inputs.read(receipt.inputs), read_outputs(receipt.outputs)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ConfigError(
            f"the receipt of {receipt.id} cannot be read: {error}; was it made by another version?"
        ) from error


@contextmanager
def loaded(settings: Settings, name: str | None) -> Iterator[ServedModel]:
    """The model of that name among those of the settings (None: the only one), with an engine of its own."""
    from owngpt.build import load_generator

    with progress.shown() as report:
        model = load_generator(settings, name, report)
    try:
        yield model
    finally:
        model.engine.close()


def request_changes(receipt: Receipt, inputs: Inputs, model: ServedModel) -> list[Change]:
    """What template, defaults and grammars of today would make of the same request."""
    try:
        return input_changes(inputs, prepared(receipt, model), model)
    except RequestError as error:
        return [Change("request", "taken", f"refused: {error}")]


def prepared(receipt: Receipt, model: ServedModel) -> Prepared:
    """The request on its way to the engine, as the server prepares it. Raises `RequestError`s."""
    from owngpt.server.schemas.base import parse
    from owngpt.server.schemas.chat import ChatCompletionRequest, chat_sampling, to_prompt
    from owngpt.server.schemas.completions import CompletionRequest, completion_sampling
    from owngpt.server.schemas.fim import ID_PREFIX, FimRequest, fim_sampling
    from owngpt.server.schemas.fim import to_prompt as to_fim_prompt
    from owngpt.service.completions import CompletionPrompt

    body = receipt.request.encode()
    if receipt.operation == "chat":
        chat = parse(ChatCompletionRequest, body)
        return to_prompt(chat).prepare(model, chat_sampling(chat, model))
    if receipt.id.startswith(f"{ID_PREFIX}-"):
        gap = parse(FimRequest, body)
        return to_fim_prompt(gap).prepare(model, fim_sampling(gap, model))
    completion = parse(CompletionRequest, body)
    prompt = CompletionPrompt(completion.prompt, completion.suffix)
    return prompt.prepare(model, completion_sampling(completion, model))


def show_changes(changes: Sequence[Change]) -> None:
    """What is not as it was."""
    for change in changes:
        click.echo(f"{change.part} differs\n  then: {change.then}\n  now:  {change.now}")


def show_outcome(outputs: Sequence[Output], found: Sequence[Parting]) -> None:
    """Whether the answer is the same; where it is not, the first difference of each choice."""
    for parting in found:
        click.echo(f"choice {parting.choice} differs from token {parting.position} on")
        click.echo(f"  then: {parting.then}\n  now:  {parting.now}")
    if not found:
        number, tokens = len(outputs), sum(len(output.token_ids) for output in outputs)
        kind = "tokens" if outputs[0].logprobs is None else "tokens with their log-probabilities"
        note = "" if all(map(is_whole, outputs)) else ", as far as they were delivered"
        click.echo(f"identical: {number} choice{'s' if number > 1 else ''}, {tokens} {kind}{note}")


def _when(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))

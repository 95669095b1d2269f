"""`owngpt train sft | prefer | reinforce`: what comes after pretraining."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from owngpt.training.cli_options import (
    EXISTING_FILE,
    EXISTING_FOLDER,
    FOLDER,
    device_option,
    dtype_option,
    save_option,
    threads_option,
)

Command = TypeVar("Command", bound=Callable[..., Any])


def shared(rate: float) -> Callable[[Command], Command]:
    """The options that all kinds of tuning have. `rate` is what this kind does by default."""
    options = (
        click.option("--model", "base", type=EXISTING_FOLDER, required=True, help="Model folder to start from."),
        click.option("--out", type=FOLDER, required=True, help="Folder of the run; the model ends up in OUT/model."),
        click.option(
            "--rate",
            type=click.FloatRange(min=0, min_open=True),
            default=rate,
            show_default=True,
            help="Learning rates, relative to those of pretraining.",
        ),
        click.option(
            "--pass-tokens",
            type=click.IntRange(min=8),
            default=4096,
            show_default=True,
            help="Tokens per forward and backward pass; fewer need less memory.",
        ),
        click.option(
            "--eval-every",
            type=click.IntRange(min=1),
            default=50,
            show_default=True,
            help="Steps between measures.",
        ),
        save_option,
        dtype_option,
        device_option,
        threads_option,
        click.option("--seed", default=0, show_default=True, help="Decides the order of examples, and all chances."),
    )

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.command()
@click.option("--corpus", type=EXISTING_FOLDER, help="Folder that `train corpus` wrote, with conversations.")
@click.option("--data", type=EXISTING_FILE, help="Conversations of your own instead, in OpenAI's JSONL format.")
@click.option(
    "--epochs",
    type=click.FloatRange(min=0, min_open=True),
    default=2.0,
    show_default=True,
    help="How often the conversations are read.",
)
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="Train for about this long, instead of --epochs."
)
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    default=3_000_000,
    show_default=True,
    help="How much is taken of what there is.",
)
@click.option("--context", type=click.IntRange(min=8), default=2048, show_default=True, help="Longest conversation.")
@click.option("--batch-tokens", type=click.IntRange(min=8), default=8192, show_default=True, help="Tokens per step.")
@shared(rate=0.1)
def sft(
    base: Path,
    out: Path,
    corpus: Path | None,
    data: Path | None,
    epochs: float,
    minutes: float | None,
    max_tokens: int,
    context: int,
    batch_tokens: int,
    dtype: str,
    device: str,
    threads: int | None,
    **options: Any,
) -> None:
    """Teach a model conversations: the loss is on what the assistant says. The same command goes on when stopped.

    Either --corpus or --data says what to learn.
    """
    from owngpt.training.sft import SftConfig, tune_supervised

    if (corpus is None) == (data is None):
        raise click.UsageError("give either --corpus or --data")
    where = _place(dtype, device, threads)
    config = SftConfig(epochs, minutes, max_tokens, batch_tokens, context)
    config = replace(config, tune=replace(config.tune, **options))
    tune_supervised(base, out, config, corpus=corpus, data=data, progress=click.echo, **where)
    click.echo(f"model written to {out / 'model'}")


@click.command()
@click.option("--data", type=EXISTING_FILE, required=True, help="Pairs of answers, in OpenAI's JSONL for preferences.")
@click.option(
    "--beta",
    type=click.FloatRange(min=0, min_open=True),
    default=0.1,
    show_default=True,
    help="How dear it is to move away from the first model.",
)
@click.option(
    "--epochs",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="How often the pairs are read.",
)
@click.option("--batch-pairs", type=click.IntRange(min=1), default=16, show_default=True, help="Pairs per step.")
@click.option("--context", type=click.IntRange(min=8), default=2048, show_default=True, help="Longest conversation.")
@shared(rate=0.02)
def prefer(
    base: Path,
    out: Path,
    data: Path,
    beta: float,
    epochs: float,
    batch_pairs: int,
    context: int,
    dtype: str,
    device: str,
    threads: int | None,
    **options: Any,
) -> None:
    """Teach a model which of two answers is better (DPO). The same command goes on when stopped."""
    from owngpt.training.preference import PreferConfig
    from owngpt.training.preference import prefer as run

    where = _place(dtype, device, threads)
    config = PreferConfig(beta, epochs, batch_pairs, context)
    config = replace(config, tune=replace(config.tune, **options))
    run(base, out, config, data, progress=click.echo, **where)
    click.echo(f"model written to {out / 'model'}")


@click.command()
@click.option("--corpus", type=EXISTING_FOLDER, help="Folder that `train corpus` wrote: sums and quotes are asked.")
@click.option("--data", type=EXISTING_FILE, help="Problems of your own instead: JSONL with number, passage or tests.")
@click.option("--steps", type=click.IntRange(min=1), default=200, show_default=True, help="How often weights move.")
@click.option("--prompts", type=click.IntRange(min=1), default=8, show_default=True, help="Questions in a round.")
@click.option("--group", type=click.IntRange(min=2), default=8, show_default=True, help="Answers to each question.")
@click.option("--updates", type=click.IntRange(min=1), default=2, show_default=True, help="Steps in a round.")
@click.option(
    "--max-tokens", type=click.IntRange(min=1), default=192, show_default=True, help="Of an answer; longer is worth 0."
)
@click.option(
    "--kl",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="What it costs to move away from the first model.",
)
@shared(rate=0.02)
def reinforce(
    base: Path,
    out: Path,
    corpus: Path | None,
    data: Path | None,
    steps: int,
    prompts: int,
    group: int,
    updates: int,
    max_tokens: int,
    kl: float,
    dtype: str,
    device: str,
    threads: int | None,
    **options: Any,
) -> None:
    """Let a model try, and make better answers likelier: numbers, quotes and code are checked, not judged.

    Either --corpus or --data says what to ask. Code that the model writes is run in a child process with limits;
    see docs/garlic.md for what these do not keep it from.
    """
    from owngpt.training.reinforcement import ReinforceConfig
    from owngpt.training.reinforcement import reinforce as run

    if (corpus is None) == (data is None):
        raise click.UsageError("give either --corpus or --data")
    where = _place(dtype, device, threads)
    config = ReinforceConfig(prompts=prompts, group=group, updates=updates, max_tokens=max_tokens, kl=kl)
    config = replace(config, tune=replace(config.tune, num_steps=steps, **options))
    run(base, out, config, corpus=corpus, data=data, progress=click.echo, **where)
    click.echo(f"model written to {out / 'model'}")


def _place(dtype: str, device: str, threads: int | None) -> dict[str, Any]:
    """How and where a command computes."""
    import torch

    from owngpt.model.weights import DTYPES

    if threads is not None:
        torch.set_num_threads(threads)
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    return {"dtype": DTYPES[dtype], "device": torch.device(kind)}

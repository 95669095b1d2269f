"""`owngpt train pretrain`: a model from nothing. `--depth` decides everything that no other option does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from owngpt.training.cli_options import (
    EXISTING_FOLDER,
    FOLDER,
    device_option,
    dtype_option,
    save_option,
    threads_option,
)


@click.command()
@click.option("--corpus", type=EXISTING_FOLDER, required=True, help="Folder that `train corpus` wrote.")
@click.option("--tokenizer", type=EXISTING_FOLDER, required=True, help="Folder that `train tokenizer` wrote.")
@click.option("--out", type=FOLDER, required=True, help="Folder of the run; the model ends up in OUT/model.")
@click.option(
    "--depth",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="The one dial: layers; width is 64 times as much, and tokens and learning rates follow.",
)
@click.option(
    "--tokens",
    type=click.IntRange(min=1),
    help="Tokens to train on; a run may be prolonged, also when it is done.  [default: 10 per parameter]",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Train for about this long: as many tokens as some timed steps say, instead of --tokens.",
)
@click.option(
    "--price-per-hour", type=click.FloatRange(min=0), help="Of this machine; the cost is printed at the start."
)
@click.option("--context", type=click.IntRange(min=8), default=512, show_default=True, help="Tokens per row.")
@click.option(
    "--decay-context",
    type=click.IntRange(min=8),
    default=2048,
    show_default=True,
    help="Tokens per row while the learning rate falls; what the model can read at once in the end.",
)
@click.option(
    "--batch-tokens",
    type=click.IntRange(min=8),
    default=2048,
    show_default=True,
    help="Tokens per step at first; the batch grows with the root of the tokens seen.",
)
@click.option(
    "--micro-tokens",
    type=click.IntRange(min=8),
    default=4096,
    show_default=True,
    help="Tokens per forward and backward pass at most; fewer need less memory.",
)
@dtype_option
@device_option
@threads_option
@save_option
@click.option(
    "--eval-every",
    type=click.IntRange(min=1),
    default=2_000_000,
    show_default=True,
    help="Tokens between measurements on held-out text.",
)
@click.option("--seed", default=0, show_default=True, help="Decides the first weights and the order of documents.")
def pretrain(
    corpus: Path,
    tokenizer: Path,
    out: Path,
    depth: int,
    tokens: int | None,
    minutes: float | None,
    price_per_hour: float | None,
    dtype: str,
    device: str,
    threads: int | None,
    seed: int,
    **options: Any,
) -> None:
    """Train a model from nothing. Stopped at any moment, the same command goes on from the last checkpoint."""
    import torch

    from owngpt.model.weights import DTYPES
    from owngpt.training.dial import recipe, shape
    from owngpt.training.distributed import placed
    from owngpt.training.predict import describe, measure_speed, tokens_within
    from owngpt.training.pretrain import padded_vocab_size, planned_tokens
    from owngpt.training.pretrain import pretrain as run

    if tokens is not None and minutes is not None:
        raise click.UsageError("--tokens and --minutes say the same in two ways; use one of them")
    if threads is not None:
        torch.set_num_threads(threads)
    values = shape(depth, padded_vocab_size(tokenizer), options["decay_context"])
    config = replace(recipe(values), **options)
    with placed(device) as place:
        progress = click.echo if place.is_first else _silent
        progress("timing some steps")
        speed = measure_speed(values, config, DTYPES[dtype], place)
        if tokens is None and minutes is not None:
            tokens = planned_tokens(out) or tokens_within(minutes, config, speed)
        config = replace(config, num_tokens=tokens or config.num_tokens)
        for line in describe(values, config, speed, price_per_hour):
            progress(line)
        where: dict[str, Any] = {"dtype": DTYPES[dtype], "place": place, "speed": speed}
        run(corpus, tokenizer, out, config, depth=depth, seed=seed, progress=progress, **where)
        progress(f"model written to {out / 'model'}")


def _silent(line: str) -> None:
    """The progress of all processes but the first."""

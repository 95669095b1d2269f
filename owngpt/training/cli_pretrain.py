"""`owngpt train pretrain`: a model from nothing. `--depth` decides everything that no other option does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

FOLDER = click.Path(path_type=Path, file_okay=False)
EXISTING_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


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
@click.option(
    "--dtype",
    type=click.Choice(["bf16", "fp32"]),
    default="bf16",
    show_default=True,
    help="What the model computes in; master weights are fp32 in any case.",
)
@click.option("--threads", type=click.IntRange(min=1), default=None, help="CPU threads.  [default: all cores]")
@click.option(
    "--save-seconds",
    type=click.FloatRange(min=0),
    default=45.0,
    show_default=True,
    help="Seconds between checkpoints: what a crash costs at most.",
)
@click.option(
    "--eval-every",
    type=click.IntRange(min=1),
    default=1_000_000,
    show_default=True,
    help="Tokens between measurements on held-out text.",
)
@click.option("--seed", default=0, show_default=True, help="Decides the first weights and the order of documents.")
def pretrain(
    corpus: Path, tokenizer: Path, out: Path, depth: int, dtype: str, threads: int | None, seed: int, **options: Any
) -> None:
    """Train a model from nothing. Stopped at any moment, the same command goes on from the last checkpoint."""
    import torch

    from owngpt.model.weights import DTYPES
    from owngpt.training.dial import recipe, shape
    from owngpt.training.pretrain import padded_vocab_size
    from owngpt.training.pretrain import pretrain as run

    if threads is not None:
        torch.set_num_threads(threads)
    num_tokens = options.pop("tokens")
    config = replace(recipe(shape(depth, padded_vocab_size(tokenizer), options["decay_context"])), **options)
    if num_tokens is not None:
        config = replace(config, num_tokens=num_tokens)
    run(corpus, tokenizer, out, config, depth=depth, dtype=DTYPES[dtype], seed=seed, progress=click.echo)
    click.echo(f"model written to {out / 'model'}")

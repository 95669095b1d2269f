"""`owngpt train corpus | tokenizer | pretrain`: from raw sources to a model folder, one command per stage."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path, file_okay=False)
EXISTING_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.group()
def train() -> None:
    """Train tokenizers and models."""


@train.command()
@click.option("--data", type=EXISTING_FOLDER, required=True, help="Folder with the sources' archives.")
@click.option("--out", type=FOLDER, required=True, help="Folder to write the corpus to.")
@click.option("--seed", default=0, show_default=True, help="Decides the order of the documents.")
def corpus(data: Path, out: Path, seed: int) -> None:
    """Clean the sources into documents, without duplicates, with a held-out part and a manifest."""
    from owngpt.training.corpus import build_corpus

    build_corpus(data, out, seed=seed, progress=click.echo)


@train.command()
@click.option("--corpus", type=EXISTING_FOLDER, required=True, help="Folder that `train corpus` wrote.")
@click.option("--out", type=FOLDER, required=True, help="Folder to write the tokenizer to.")
@click.option(
    "--vocab-size",
    type=click.IntRange(300, 65536),
    default=16384,
    show_default=True,
    help="Number of tokens, special ones included.",
)
@click.option(
    "--characters",
    type=click.IntRange(min=1),
    default=16_000_000,
    show_default=True,
    help="How much text to learn from, taken from all sources in the proportions of the mixture.",
)
def tokenizer(corpus: Path, out: Path, vocab_size: int, characters: int) -> None:
    """Learn a byte-level BPE tokenizer for English, Japanese and Python."""
    from owngpt.training.tokenizer import sample_texts, save_tokenizer, train_tokenizer

    click.echo(f"learning {vocab_size} tokens from {characters / 1e6:.0f} M characters")
    trained = train_tokenizer(sample_texts(corpus, characters), vocab_size)
    save_tokenizer(trained, out)
    click.echo(f"{trained.get_vocab_size()} tokens written to {out}")


@train.command()
@click.option("--corpus", type=EXISTING_FOLDER, required=True, help="Folder that `train corpus` wrote.")
@click.option("--tokenizer", type=EXISTING_FOLDER, required=True, help="Folder that `train tokenizer` wrote.")
@click.option("--out", type=FOLDER, required=True, help="Folder of the run; the model ends up in OUT/model.")
@click.option(
    "--depth",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="The one dial of size: layers; width is 64 times as much. 4 makes 11.6 M parameters.",
)
@click.option(
    "--tokens",
    type=click.IntRange(min=1),
    default=6_144_000,
    show_default=True,
    help="Tokens to train on. May be changed when a run goes on, as long as its learning rate is level.",
)
@click.option("--context", type=click.IntRange(min=8), default=512, show_default=True, help="Tokens per row.")
@click.option(
    "--decay-context",
    type=click.IntRange(min=8),
    default=2048,
    show_default=True,
    help="Tokens per row while the learning rate falls; what the model can read at once in the end.",
)
@click.option("--batch-tokens", type=click.IntRange(min=8), default=2048, show_default=True, help="Tokens per step.")
@click.option(
    "--micro-tokens",
    type=click.IntRange(min=8),
    default=2048,
    show_default=True,
    help="Tokens per forward and backward pass; fewer need less memory.",
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
    corpus: Path,
    tokenizer: Path,
    out: Path,
    depth: int,
    tokens: int,
    context: int,
    decay_context: int,
    batch_tokens: int,
    micro_tokens: int,
    dtype: str,
    threads: int | None,
    save_seconds: float,
    eval_every: int,
    seed: int,
) -> None:
    """Train a model from nothing. Stopped at any moment, the same command goes on from the last checkpoint."""
    import torch

    from owngpt.model.weights import DTYPES
    from owngpt.training.plan import TrainConfig
    from owngpt.training.pretrain import pretrain as run

    if threads is not None:
        torch.set_num_threads(threads)
    config = TrainConfig(
        num_tokens=tokens,
        context=context,
        decay_context=decay_context,
        batch_tokens=batch_tokens,
        micro_tokens=micro_tokens,
        eval_every=eval_every,
        save_seconds=save_seconds,
    )
    run(corpus, tokenizer, out, config, depth=depth, dtype=DTYPES[dtype], seed=seed, progress=click.echo)
    click.echo(f"model written to {out / 'model'}")

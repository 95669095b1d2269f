"""`owngpt train`: from raw sources to a tuned model, one command per stage."""

from __future__ import annotations

from pathlib import Path

import click

from owngpt.training.cli_options import EXISTING_FOLDER, FOLDER
from owngpt.training.cli_pretrain import pretrain
from owngpt.training.cli_reader import reader
from owngpt.training.cli_tune import prefer, reinforce, sft


@click.group()
def train() -> None:
    """Train tokenizers and models."""


@train.command()
@click.option("--data", type=EXISTING_FOLDER, help="Folder with the sources' archives.")
@click.option(
    "--folder",
    type=EXISTING_FOLDER,
    help="Folder of your own text instead: .txt, .md, .py, and .jsonl with 'text' or 'messages' per line.",
)
@click.option("--out", type=FOLDER, required=True, help="Folder to write the corpus to.")
@click.option("--seed", default=0, show_default=True, help="Decides the order of the documents.")
def corpus(data: Path | None, folder: Path | None, out: Path, seed: int) -> None:
    """Clean the sources into documents, without duplicates, with a held-out part and a manifest.

    Either --data or --folder says what to read.
    """
    from owngpt.training.corpus import build_corpus
    from owngpt.training.sources.folder import folder_sources

    if folder is not None and data is None:
        build_corpus(folder, out, sources=folder_sources(folder), seed=seed, progress=click.echo)
    elif data is not None and folder is None:
        build_corpus(data, out, seed=seed, progress=click.echo)
    else:
        raise click.UsageError("give either --data or --folder")


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
    from owngpt.training.fertility import by_kind, measure_fertility, write_fertility
    from owngpt.training.tokenizer import sample_texts, save_tokenizer, train_tokenizer

    click.echo(f"learning {vocab_size} tokens from {characters / 1e6:.0f} M characters")
    trained = train_tokenizer(sample_texts(corpus, characters), vocab_size)
    save_tokenizer(trained, out)
    click.echo(f"{trained.get_vocab_size()} tokens written to {out}")
    rows = measure_fertility(trained, corpus)
    write_fertility(rows, out)
    for kind, rate in by_kind(rows).items():
        num_tokens = sum(row.num_tokens for row in rows if row.kind == kind)
        click.echo(f"{kind:10} {rate:5.2f} bytes per token, {num_tokens / 1e6:6.2f} M tokens to train on")


train.add_command(pretrain)
train.add_command(reader)
train.add_command(sft)
train.add_command(prefer)
train.add_command(reinforce)

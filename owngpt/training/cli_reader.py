"""`owngpt train reader`: the small encoder that embeds, finds, answers and checks."""

from __future__ import annotations

from pathlib import Path

import click

from owngpt.training.cli_options import EXISTING_FOLDER, FOLDER, threads_option


@click.command()
@click.option("--data", type=EXISTING_FOLDER, required=True, help="Folder with the sources' archives.")
@click.option("--out", type=FOLDER, required=True, help="Folder of the run; the model ends up in OUT/model.")
@click.option(
    "--base", type=EXISTING_FOLDER, default=None, help="English encoder to start from.  [default: the bundled MiniLM]"
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=9_000,
    show_default=True,
    help="Of about 2,000 tokens. May be changed when a run goes on, as long as its learning rate is level.",
)
@threads_option
@click.option("--seed", default=0, show_default=True, help="Decides the order of the examples.")
@click.option("--export-only", is_flag=True, help="Write the model of the last checkpoint, and do not train.")
def reader(
    data: Path, out: Path, base: Path | None, steps: int, threads: int | None, seed: int, export_only: bool
) -> None:
    """Train the reader, from an English encoder. Stopped at any moment, the same command goes on."""
    import torch

    from owngpt.model.bundled import minilm_folder
    from owngpt.training.reader.loop import ReaderConfig
    from owngpt.training.reader.run import export, tokenizer_of, train_reader

    if threads is not None:
        torch.set_num_threads(threads)
    if export_only:
        export(out, tokenizer_of(out))
        click.echo(f"reader written to {out / 'model'}")
        return
    train_reader(data, base or minilm_folder(), out, ReaderConfig(num_steps=steps, seed=seed), click.echo)

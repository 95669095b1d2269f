"""Options that several `owngpt train` commands share: folders, where and in what to compute, how often to save."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path, file_okay=False)
EXISTING_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
EXISTING_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)

dtype_option = click.option(
    "--dtype",
    type=click.Choice(["bf16", "fp32"]),
    default="bf16",
    show_default=True,
    help="What the model computes in; master weights are fp32 in any case.",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to compute; auto is a GPU where there is one.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), default=None, help="CPU threads.  [default: all cores]"
)
save_option = click.option(
    "--save-seconds",
    type=click.FloatRange(min=0),
    default=45.0,
    show_default=True,
    help="Seconds between checkpoints: what a crash costs at most.",
)

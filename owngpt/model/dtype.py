"""Which number format a model is computed in when nobody has said so, and why."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from owngpt.model.config import ModelConfig
from owngpt.model.sources import open_source
from owngpt.model.transformer import Transformer
from owngpt.model.weights import named_dtype

DTYPES = ("fp32", "bf16", "int8", "int4")
_BYTES = {"fp32": 4.0, "bf16": 2.0, "int8": 1.02, "int4": 0.6}  # per parameter, scales and int8 embeddings included
_SHARE = 0.75  # of the free memory that weights may take: keys and values want some, too
_LARGE = 2e8  # parameters; what is smaller is quick at any precision


class Choice(NamedTuple):
    """A number format, and what speaks for it."""

    dtype: str
    reason: str


def choose_dtype(folder: Path, asked: str, *, isa: str | None, available: int, random_weights: bool = False) -> Choice:
    """What `asked` for, or with auto what fits the checkpoint and this machine.

    `isa` names the native kernels, None where there are none; `available` is the memory in bytes. `random_weights`
    reads config.json only. `CheckpointError` as from reading the folder.
    """
    if asked != "auto":
        return Choice(asked, "as asked for")
    config = ModelConfig.from_folder(folder)
    count = num_parameters(config)
    return _fitting(_wanted(_stored(folder, config, random_weights), count, isa), count, available)


def num_parameters(config: ModelConfig) -> int:
    """Of matrices and vectors; a tied head counts once."""
    with torch.device("meta"):
        model = Transformer(config)
    return sum(_count(value) for value in model.parameters())


def _count(value: torch.Tensor) -> int:
    """Bytes hold two values each."""
    return value.numel() * (2 if value.dtype == torch.uint8 else 1)


def _stored(folder: Path, config: ModelConfig, random_weights: bool) -> str:
    if random_weights:
        return "bf16" if named_dtype(folder) is torch.bfloat16 else "fp32"
    return open_source(folder, config).dtype


def _wanted(stored: str, count: int, isa: str | None) -> Choice:
    """As if there were memory for everything."""
    if stored == "int4" and isa is None:
        return Choice("int8", "the checkpoint has 4-bit codes, which are slow without native kernels")
    if stored in ("int4", "int8"):
        return Choice(stored, "as the checkpoint has it")
    if isa is not None and count > _LARGE:
        return Choice("int8", f"{count / 1e9:.1f}e9 parameters; native kernels ({isa}) are twice as fast as with bf16")
    return Choice(stored, "as the checkpoint has it")


def _fitting(wanted: Choice, count: int, available: int) -> Choice:
    """The same, or the first smaller format for which there is memory."""
    sizes = {dtype: _BYTES[dtype] * count for dtype in DTYPES[DTYPES.index(wanted.dtype) :]}
    fitting = next((dtype for dtype, size in sizes.items() if size <= _SHARE * available), "int4")
    if fitting == wanted.dtype:
        return wanted
    needs = f"{wanted.dtype} would take {sizes[wanted.dtype] / 1e9:.1f} GB"
    return Choice(fitting, f"{needs} of the {available / 1e9:.1f} GB of memory that are free")

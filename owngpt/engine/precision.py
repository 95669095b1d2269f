"""The number format of a model on this machine."""

from __future__ import annotations

from pathlib import Path

from owngpt.engine.memory import available_memory
from owngpt.kernels import library
from owngpt.model.dtype import Choice, choose_dtype


def has_fast_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware: three times as fast as float32, and vectors differ by 1e-4."""
    kernels = library.chosen()
    return kernels is not None and kernels.isa == "avx512bf16"


def dtype_here(folder: Path, asked: str, device: str = "cpu", *, random_weights: bool = False) -> Choice:
    """`choose_dtype` with what this machine has: its memory, and the kernels for its CPU. On a GPU auto is bf16."""
    if device == "cuda" and asked == "auto":
        return Choice("bf16", "which a GPU is fast at")
    kernels = library.chosen()
    isa = None if kernels is None else kernels.isa
    return choose_dtype(folder, asked, isa=isa, available=available_memory(), random_weights=random_weights)

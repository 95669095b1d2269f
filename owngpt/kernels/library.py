"""Finds the compiled library and calls it. Without one, or switched off, PyTorch does the work.

`OWNGPT_KERNELS` chooses: `off`, or the name of an instruction set (`plain`, `avx2`, `avx512`, `avx512bf16`); unset, the
best one that this CPU has.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
from ctypes import POINTER, c_char_p
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import torch  # first, so that its OpenMP library is the one that the kernels find: one pool of threads
from torch import Tensor

from owngpt.kernels.abi import Kernels, pointer, weight_of
from owngpt.kernels.packed import PackedWeight

FOLDER = Path(__file__).parent
VARIABLE = "OWNGPT_KERNELS"
ISAS = ("avx512bf16", "avx512", "avx2", "plain")  # best first

logger = logging.getLogger(__name__)


@cache
def chosen() -> Library | None:
    """The kernels that this process uses."""
    return choose(os.environ.get(VARIABLE, ""))


def choose(wish: str, folder: Path = FOLDER) -> Library | None:
    """The kernels that `VARIABLE` asks for; a log line says which they are, or why there are none."""
    if wish == "off":
        logger.info("native kernels are switched off (%s=off); PyTorch does their work", VARIABLE)
        return None
    library = load(wish or None, folder)
    if library is not None:
        logger.info("native kernels: %s", library.isa)
    elif _open(folder) is None:
        logger.info("native kernels are not built (that takes g++ at installation); PyTorch does their work")
    else:
        logger.warning("%s=%s: this CPU has no such kernels; PyTorch does their work", VARIABLE, wish)
    return library


def load(isa: str | None = None, folder: Path = FOLDER) -> Library | None:
    """The kernels for one instruction set, by default the best; None where this CPU or this installation has none."""
    shared = _open(folder)
    table = shared.owngpt_kernels(isa.encode() if isa else None) if shared else None
    return Library(table.contents) if table else None


class Library:
    """The kernels of one instruction set."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels

    @property
    def isa(self) -> str:
        """The name of the instruction set, one of `ISAS`."""
        name: bytes = self.kernels.isa
        return name.decode()

    def matmul(self, x_RK: Tensor, weight: PackedWeight, threads: int = 1) -> Tensor:
        """y_RN = x @ w.T + bias, float32. int8 and int4 weights meet activations rounded to int8, row by row."""
        x_RK = x_RK.float().contiguous()
        rows, k = x_RK.shape
        assert k == weight.k, f"rows of {k} values meet a matrix of {weight.k} columns"
        y_RN = torch.empty(rows, weight.padded_n)
        structure = weight_of(weight)
        self.kernels.product(ctypes.byref(structure), pointer(x_RK), rows, k, pointer(y_RN), threads)
        return y_RN[:, : weight.n]

    def embed_row(self, weight: PackedWeight, n: int) -> Tensor:
        """w[n], float32 [k]."""
        assert 0 <= n < weight.n
        row_K = torch.empty(weight.padded_k)
        self.kernels.embed_row(ctypes.byref(weight_of(weight)), n, pointer(row_K))
        return row_K[: weight.k]


@cache
def _open(folder: Path) -> ctypes.CDLL | None:
    """The library, if it was built, and for the structures that abi.py describes."""
    paths = [folder / f"_native{suffix}" for suffix in EXTENSION_SUFFIXES]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        return None
    try:
        shared = ctypes.CDLL(str(path))
        shared.owngpt_sources.restype = c_char_p
        is_of_its_sources = shared.owngpt_sources().decode() == _digest(folder / "csrc")
    except (OSError, AttributeError) as error:  # damaged, without its sources, or too old to say what it was built for
        logger.warning("%s cannot be loaded: %s", path, error)
        return None
    if not is_of_its_sources:
        logger.warning("%s is not of its sources; `python setup.py build_ext --inplace` builds it anew", path)
        return None
    shared.owngpt_kernels.argtypes = (c_char_p,)
    shared.owngpt_kernels.restype = POINTER(Kernels)
    return shared


def _digest(sources: Path) -> str:
    """As setup.py has it. A folder without sources has one, too, which is that of no library."""
    files = sorted((*sources.glob("*.h"), *sources.glob("*.cpp")))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

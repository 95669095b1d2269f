"""How fast the native kernels multiply: weight bytes and operations per second, by format and number of rows.

    python -m benchmarks.kernels [--isa NAME] [--format int8 ...] [--rows 1 --rows 16 ...] [--threads 2] [--seconds 1]

The matrices are those of four Qwen3-0.6B layers: for few rows they must come from memory each time, as in decoding. The
best time of each matrix counts, since other work on the machine only ever slows a product down.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

import click
import torch
from torch import Tensor

from benchmarks.machine import hardware
from owngpt.kernels.abi import Weight, pointer, weight_of
from owngpt.kernels.library import ISAS, Library, load
from owngpt.kernels.packed import PackedWeight, pack_bf16, pack_f32, pack_int4, pack_int8

SHAPES = ((4096, 1024), (1024, 2048), (6144, 1024), (1024, 3072))  # n, k of qkv, o, gate_up, down
LAYERS = 4
PACK: dict[str, Callable[[Tensor], PackedWeight]] = {
    "int8": pack_int8,
    "int4": pack_int4,
    "bf16": pack_bf16,
    "f32": pack_f32,
}


@click.command()
@click.option("--isa", type=click.Choice(ISAS), help="Instruction set; the best one by default.")
@click.option("--format", "formats", multiple=True, type=click.Choice(list(PACK)), default=list(PACK))
@click.option("--rows", multiple=True, type=int, default=(1, 2, 4, 8, 16, 32, 128, 512))
@click.option("--threads", default=2, show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="Time for each figure.")
def main(isa: str | None, formats: tuple[str, ...], rows: tuple[int, ...], threads: int, seconds: float) -> None:
    """Print the table."""
    library = load(isa)
    if library is None:
        raise click.ClickException("the native kernels are not built, or this CPU lacks that instruction set")
    click.echo(f"{hardware()}, {library.isa}, {threads} threads; GB/s of weights and GOPS (2 per weight and row)\n")
    click.echo("| |" + "".join(f" {count} rows |" for count in rows))
    click.echo("|---" * (len(rows) + 1) + "|")
    for name in formats:
        weights = [PACK[name](torch.randn(shape) * 0.02) for shape in SHAPES * LAYERS]
        figures = (_figure(library, weights, count, threads, seconds) for count in rows)
        click.echo(f"| {name} |" + "".join(f" {figure} |" for figure in figures))


def _figure(library: Library, weights: list[PackedWeight], rows: int, threads: int, seconds: float) -> str:
    best = _best_seconds(library, weights, rows, threads, seconds)
    gigabytes = sum(weight.num_bytes for weight in weights) / best / 1e9
    operations = 2 * rows * sum(weight.n * weight.k for weight in weights) / best / 1e9
    return f"{gigabytes:.1f} GB/s, {operations:.0f}"


def _best_seconds(library: Library, weights: list[PackedWeight], rows: int, threads: int, seconds: float) -> float:
    calls = [_call(library, weight, rows, threads) for weight in weights]
    best, end = [float("inf")] * len(calls), time.perf_counter() + seconds
    while time.perf_counter() < end or best[-1] == float("inf"):
        for index, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[index] = min(best[index], time.perf_counter() - start)
    return sum(best)


def _call(library: Library, weight: PackedWeight, rows: int, threads: int) -> Callable[[], None]:
    """One product, without what Python spends on tensors."""
    structure: Weight = weight_of(weight)
    x_RK, y_RN = torch.randn(rows, weight.k), torch.empty(rows, weight.padded_n)

    def call(x_RK: Tensor = x_RK, y_RN: Tensor = y_RN) -> None:
        library.kernels.product(ctypes.byref(structure), pointer(x_RK), rows, weight.k, pointer(y_RN), threads)

    return call


if __name__ == "__main__":
    main()

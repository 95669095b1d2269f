"""Our engine on a GPU: decode steps with and without CUDA graphs, in turns, and whole steps of the engine.

    python -m benchmarks.gpu [--dtype bf16] [--rounds 5] [--steps 32] [--write]

The shape is Qwen3-0.6B's with random weights. A step of the table is forward and head of one token of each stream, the
likeliest next ones brought to the host; below it stands what `owngpt bench engine --device cuda` measures.
`--device cpu --tiny` tries the script where there is no GPU; its figures mean nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import click
import torch

from benchmarks.machine import hardware, keep
from benchmarks.shape import write_config
from owngpt.cli.bench import table
from owngpt.engine.batch import ForwardBatch
from owngpt.engine.bench import bench_engine
from owngpt.engine.device import check_device
from owngpt.engine.request import Request
from owngpt.engine.runner import TorchRunner
from owngpt.engine.scheduler import Chunk
from owngpt.model.weights import load_model
from owngpt.types import SamplingParams

STREAMS = (1, 4, 16, 64)
BLOCK_SIZE, CONTEXT, PROMPT = 16, 512, 512


class Pair(NamedTuple):
    """The best seconds of a step in each round, for one number of streams."""

    streams: int
    first: float  # of the very first step with graphs: it is captured
    graphs: list[float]
    plain: list[float]

    def line(self) -> str:
        """A line of the table; the ratios are of rounds."""
        ratios = sorted(plain / graphs for plain, graphs in zip(self.plain, self.graphs, strict=True))
        times = f"{min(self.graphs) * 1e3:.2f} ms | {min(self.plain) * 1e3:.2f} ms"
        return f"| {self.streams} | {times} | {ratios[0]:.2f} to {ratios[-1]:.2f} | {self.first:.2f} s |"


@click.command()
@click.option("--device", default="cuda", show_default=True, type=click.Choice(["cuda", "cpu"]))
@click.option("--dtype", default="bf16", show_default=True, type=click.Choice(["bf16", "fp32"]))
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--steps", default=32, show_default=True, type=click.IntRange(min=1), help="In each round.")
@click.option("--tiny", is_flag=True, help="A small shape, to try the script with.")
@click.option("--write", is_flag=True, help="Keep the tables in benchmarks/results.")
def main(device: str, dtype: str, rounds: int, steps: int, tiny: bool, write: bool) -> None:
    """Print the tables. Raises `ConfigError` where there is no GPU."""
    check_device(device, dtype)
    name = torch.cuda.get_device_name() if device == "cuda" else "the CPU"
    with TemporaryDirectory() as temporary:
        write_config(folder := Path(temporary), tiny=tiny)
        pairs = measure(folder, device, dtype, rounds, steps)
        engine = bench_engine(
            folder, random_weights=True, dtype=dtype, device=device, prompt=PROMPT, context=CONTEXT, streams=STREAMS
        )
    text = "\n".join(
        [
            "# Our engine on a GPU",
            "",
            f"`python -m benchmarks.gpu`, {datetime.date.today()}, {name}; {hardware()}. Qwen3-0.6B shape, random"
            f" weights, {dtype}, {CONTEXT} tokens in each stream; the best of {steps} steps, {rounds} rounds.",
            "",
            "| streams | with graphs | without | ratio | first step |",
            "|---|---|---|---|---|",
            *(pair.line() for pair in pairs),
            "",
            *(f"- {line}" for line in table(engine).splitlines()),
        ]
    )
    click.echo(text)
    if write:
        keep("gpu", text)


def measure(folder: Path, device: str, dtype: str, rounds: int, steps: int) -> list[Pair]:
    """Steps with graphs and without, in turns, over the same weights."""
    model = load_model(folder, dtype, device=device, random_weights=True)
    num_blocks = max(STREAMS) * _blocks_each()
    graphs, plain = (TorchRunner(model, num_blocks, BLOCK_SIZE, has_graphs=has_graphs) for has_graphs in (True, False))
    pairs = []
    for streams in STREAMS:
        captured, eager = (_step(runner, streams) for runner in (graphs, plain))
        pair = Pair(streams, _seconds(captured), [], [])
        for _ in range(rounds):
            pair.graphs.append(min(_seconds(captured) for _ in range(steps)))
            pair.plain.append(min(_seconds(eager) for _ in range(steps)))
        pairs.append(pair)
    return pairs


def _step(runner: TorchRunner, streams: int) -> Callable[[], object]:
    """One token of each stream; to bring the likeliest ones to the host is to wait for the GPU."""
    chunks = [Chunk(_request(number), CONTEXT, CONTEXT + 1, is_last=True) for number in range(streams)]
    batch = ForwardBatch.build(chunks, BLOCK_SIZE)
    return lambda: runner.logits(runner.forward(batch)).argmax(-1).cpu()


def _request(number: int) -> Request:
    """What was cached of it is zeros: speed does not depend on values."""
    request = Request([1] * (CONTEXT + 1), CONTEXT, CONTEXT + 1, SamplingParams())
    request.block_table = list(range(number * _blocks_each(), (number + 1) * _blocks_each()))
    return request


def _blocks_each() -> int:
    return -(-(CONTEXT + 1) // BLOCK_SIZE)


def _seconds(step: Callable[[], object]) -> float:
    begin = perf_counter()
    step()
    return perf_counter() - begin


if __name__ == "__main__":
    main()

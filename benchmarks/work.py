"""What speed means to those who work with it, beyond tokens per second: six figures with their floors.

    python -m benchmarks.work [--dtype int8] [--rounds 3] [--only copying,turns,...] [--write]

The model has the shape of Qwen3-0.6B and random weights, for copying weights that copy (`copier.py`). It is loaded as
`owngpt serve` does and asked in this process, by token ids, through the engine's own client: thread, scheduler,
sampler, detokenizer and all, without HTTP (`server.py` has that). Each figure is a ratio of two measurements made one
after the other; the median of the rounds is judged.
"""

from __future__ import annotations

import asyncio
import datetime
import itertools
import os
import random
import statistics
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from time import perf_counter

import click

from benchmarks.asking import Heard, ask, served
from benchmarks.copying import copying, works
from benchmarks.engine import peers_option
from benchmarks.machine import hardware, keep
from benchmarks.rows import HEADER, Row
from benchmarks.shape import CONFIG, TINY, write_random
from owngpt.config import EngineConfig
from owngpt.service.models import ServedModel
from owngpt.text.grammar import ResponseFormat, tools_constraint
from owngpt.types import SamplingParams

LONG_PROMPT, SHORT_PROMPT = 4_000, 128
SAMPLED = SamplingParams(temperature=1.0, seed=1)  # random weights repeat themselves if greedy, and drafts come true
SCHEMA = {
    "type": "array",
    "minItems": 1000,  # so that the answer is never complete
    "items": {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "note": {"type": "string", "maxLength": 40},
            "color": {"enum": ["red", "green", "blue", "none"]},
            "done": {"type": "boolean"},
        },
        "required": ["id", "note", "color", "done"],
        "additionalProperties": False,
    },
}


class Prompts:
    """Arbitrary tokens that nobody has asked before."""

    def __init__(self, vocab_size: int) -> None:
        self._vocab_size = vocab_size
        self._number = itertools.count(int(perf_counter() * 1e6))

    def new(self, num_tokens: int) -> list[int]:
        chance = random.Random(next(self._number))
        return [chance.randrange(100, self._vocab_size) for _ in range(num_tokens)]


async def turns(model: ServedModel, prompts: Prompts, rounds: int) -> Row:
    """Time to the first token of a conversation's second turn, of that of the first."""
    values, notes = [], []
    for _ in range(rounds):
        prompt = prompts.new(LONG_PROMPT)
        first = await ask(model, prompt, 32)
        second = await ask(model, prompt + first.token_ids + prompts.new(32), 32)
        values.append(second.times[0] / first.times[0])
        notes.append(f"{first.times[0]:.2f} s, then {second.times[0] * 1e3:.0f} ms")
    what = f"first token of the second turn of a conversation of {LONG_PROMPT} tokens, of the first turn's"
    return Row(what, values, 0.05, False, notes[-1])


async def arrival(model: ServedModel, prompts: Prompts, rounds: int) -> Row:
    """99th percentile of the time between tokens of 8 streams while a long prompt is read, of the quiet one."""
    values, notes = [], []
    for _ in range(rounds):
        heard = [Heard() for _ in range(8)]
        streams = [
            asyncio.create_task(ask(model, prompts.new(SHORT_PROMPT), 4_000, sampling=SAMPLED, heard=one))
            for one in heard
        ]
        await _until_pieces(heard, 20)
        begin = perf_counter()
        await _until_pieces(heard, 120)
        arrived = perf_counter()
        await ask(model, prompts.new(LONG_PROMPT), 1)
        end = perf_counter()
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        quiet, loud = _p99(_gaps(heard, begin, arrived)), _p99(_gaps(heard, arrived, end))
        values.append(loud / quiet)
        notes.append(f"{quiet * 1e3:.0f} ms quiet, {loud * 1e3:.0f} ms while {end - arrived:.1f} s of prompt are read")
    what = f"99th percentile between tokens of 8 streams while {LONG_PROMPT} tokens are read, of the quiet one"
    return Row(what, values, 3.0, False, notes[-1])


async def schema(model: ServedModel, prompts: Prompts, rounds: int) -> Row:
    """Time per token under a JSON schema, of that of free text of the same length."""
    wanted = ResponseFormat("json_schema", SCHEMA)
    constraint = tools_constraint(model.tokenizer, model.chat.family, response_format=wanted)
    await ask(model, prompts.new(16), 8, constraint=constraint)  # the grammar is compiled, and kept
    values, notes = [], []
    for _ in range(rounds):
        prompt = prompts.new(SHORT_PROMPT)
        free = await ask(model, prompt, 200, sampling=SAMPLED)
        bound = await ask(model, prompt, 200, sampling=SAMPLED, constraint=constraint)
        values.append(bound.seconds_per_token / free.seconds_per_token)
        notes.append(f"{free.seconds_per_token * 1e3:.1f} ms free, {bound.seconds_per_token * 1e3:.1f} ms with it")
    return Row("time per token under a JSON schema, of that of free text", values, 1.03, False, notes[-1])


async def burst(model: ServedModel, prompts: Prompts, rounds: int) -> Row:
    """Throughput of 8 clients right after a burst of 32, of that before it."""
    values, notes = [], []
    for _ in range(rounds):
        before = await _throughput(model, prompts, clients=8, each=3)
        await _throughput(model, prompts, clients=32, each=1)
        after = await _throughput(model, prompts, clients=8, each=3)
        values.append(after / before)
        notes.append(f"{before:.0f} tokens/s before, {after:.0f} after")
    return Row("throughput of 8 clients right after a burst of 32, of before", values, 0.95, True, notes[-1])


async def _throughput(model: ServedModel, prompts: Prompts, clients: int, each: int) -> float:
    """Tokens per second of so many clients who ask so many questions, each as soon as the last is answered."""

    async def client() -> None:
        for _ in range(each):
            await ask(model, prompts.new(SHORT_PROMPT), 64, sampling=SAMPLED)

    begin = perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return clients * each * 64 / (perf_counter() - begin)


async def _until_pieces(heard: list[Heard], number: int) -> None:
    while min(len(one.times) for one in heard) < number:
        await asyncio.sleep(0.005)


def _gaps(heard: list[Heard], begin: float, end: float) -> list[float]:
    """Seconds between the pieces that end in this span, of all streams."""
    return [
        after - before
        for one in heard
        for before, after in itertools.pairwise(one.times)
        if begin < one.start + after <= end
    ]


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


FIGURES: dict[str, Callable[[ServedModel, Prompts, int], Awaitable[Row]]] = {
    "turns": turns,
    "arrival": arrival,
    "schema": schema,
    "burst": burst,
}


@click.command()
@click.option("--dtype", default="int8", show_default=True, help="What the weights are quantized to.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--only", default=",".join(["copying", *FIGURES]), show_default=True, help="Which figures.")
@click.option("--threads", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(min=1))
@click.option("--tiny", is_flag=True, help="A small shape, to try the script with.")
@click.option("--write", is_flag=True, help="Keep the table in benchmarks/results.")
@peers_option
def main(dtype: str, rounds: int, only: str, threads: int, tiny: bool, write: bool, peers: Path) -> None:
    """Print the table."""
    machine, names = hardware(), only.split(",")
    if unknown := set(names) - {"copying", *FIGURES}:
        raise click.BadParameter(f"{', '.join(sorted(unknown))} is not among them", param_hint="--only")
    config = EngineConfig(dtype=dtype, threads=threads)
    folder = peers.absolute() / ("tiny" if tiny else "shape")
    with asyncio.Runner() as runner:
        rows = list(_rows(runner, folder, config, names, rounds, tiny=tiny))
    text = report(rows, machine, dtype, rounds)
    click.echo(text)
    if write:
        keep("work", text)


def _rows(
    runner: asyncio.Runner, folder: Path, config: EngineConfig, names: list[str], rounds: int, *, tiny: bool
) -> Iterator[Row]:
    """One after the other; each is told at once."""
    data_dir = folder / "data"
    if "copying" in names:
        for work in works(folder / "tokens", tiny=tiny):
            copier = folder / f"copier-{work.distance}"
            yield _told(runner.run(copying(work, copier, data_dir, config, rounds, tiny=tiny)))
    figures = [FIGURES[name] for name in names if name in FIGURES]
    if not figures:
        return
    prompts = Prompts((CONFIG | (TINY if tiny else {}))["vocab_size"])
    with served(write_random(folder / "hf", tiny=tiny), data_dir, config) as model:
        for figure in figures:
            yield _told(runner.run(_one(figure, model, prompts, rounds)))


async def _one(
    figure: Callable[[ServedModel, Prompts, int], Awaitable[Row]], model: ServedModel, prompts: Prompts, rounds: int
) -> Row:
    return await figure(model, prompts, rounds)


def _told(row: Row) -> Row:
    print(row.line(), file=sys.stderr, flush=True)
    return row


def report(rows: list[Row], machine: str, dtype: str, rounds: int) -> str:
    """The table in Markdown, with what it ran on."""
    return "\n".join(
        [
            "# What speed means at work",
            "",
            f"`python -m benchmarks.work --dtype {dtype} --rounds {rounds}`, {datetime.date.today()}, {machine}.",
            "Qwen3-0.6B shape; random weights, for copying weights that copy. What each line compares with what is in"
            " the script.",
            "",
            HEADER,
            *(row.line() for row in rows),
        ]
    )


if __name__ == "__main__":
    main()

"""Our engine and others on one model shape, in turns, as ratios.

    sh benchmarks/peers/setup.sh .peers          # once: llama.cpp and OpenVINO, in environments of their own
    python -m benchmarks.engine --against llama.cpp,openvino,transformers [--dtype int8,int4,bf16] [--write]
    python -m benchmarks.engine --against llama.cpp,openvino --as-installed    # without our tuning of the others

The shape is Qwen3-0.6B's with random weights: speed does not depend on the values. Every engine lives in a process of
its own for as long as the benchmark lasts, and all take turns in short pieces, so that all meet the same machine; who
waits uses no processor (checked). Prefill of one prompt of 512 tokens; decode steps of several sequences at 128 tokens
each. Ours are steps of the whole engine with scheduler and sampler, greedy, the code of `owngpt bench engine`; the
others' are forward passes alone, each engine as its users would run it on this machine at its best (see the files in
`peers/`). We are compared with the best figure of each engine at any of its formats with at least as many bits.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from benchmarks.contestant import Contestant
from benchmarks.duel import PREFILL, Entry, Task, duels
from benchmarks.machine import hardware, keep
from benchmarks.shape import write_random

PROMPT, CONTEXT = 512, 128
PEERS = ("llama.cpp", "openvino", "transformers")
PEERS_FOLDER = Path(os.environ.get("OWNGPT_PEERS", ".peers"))
BITS = {"int4": 4, "int8": 8, "bf16": 16, "fp32": 32}
LLAMA_CPP_AS_INSTALLED = ("-1", "1")  # flash attention as it sees fit, one KV buffer
GGUF_BITS = {"Q4_0": 4, "Q8_0": 8, "BF16": 16}


def peers_option(function: Callable[..., None]) -> Callable[..., None]:
    """Where the other engines are."""
    return click.option(
        "--peers",
        default=PEERS_FOLDER,
        show_default=True,
        type=click.Path(path_type=Path),
        help="The folder that peers/setup.sh has made; the shape is kept there, too.",
    )(function)


@click.command()
@click.option("--against", default="", metavar="LIST", help=f"Some of {', '.join(PEERS)}.")
@click.option("--dtype", default="int8,int4,bf16", show_default=True, help="Our formats.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--steps", default=16, show_default=True, type=click.IntRange(min=1), help="Of decode, in each turn.")
@click.option("--threads", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--as-installed",
    is_flag=True,
    help="The others as they come: OpenVINO with the logits of every position, as optimum-intel exports it, "
    "llama.cpp with one KV buffer and its own choice of attention. Without it, each at the best we found.",
)
@click.option("--tiny", is_flag=True, help="A small shape, to try the script with.")
@click.option("--write", is_flag=True, help="Keep the table in benchmarks/results.")
@peers_option
def main(
    against: str,
    dtype: str,
    rounds: int,
    steps: int,
    threads: int,
    as_installed: bool,
    tiny: bool,
    write: bool,
    peers: Path,
) -> None:
    """Print the table."""
    names, dtypes = _listed(against, PEERS), _listed(dtype, tuple(BITS))
    machine = hardware()
    folder = write_random(peers.absolute() / ("tiny" if tiny else "shape") / "hf", tiny=tiny)
    with ExitStack() as stack:
        contestants = [*ours(folder, dtypes, threads)]
        for name in names:
            contestants += STARTERS[name](folder, peers.absolute(), threads, set(dtypes), as_installed)
        for contestant in contestants:
            stack.callback(contestant.close)
        entries = [Entry(contestant.name, contestant.format, contestant.bits) for contestant in contestants]
        for number in range(1, rounds + 1):
            _say(f"round {number} of {rounds}")
            play(contestants, entries, steps)
        abouts = [
            f"- {one.name} {one.format}: {one.about}; at rest {one.resting_load:.1%} of a core" for one in contestants
        ]
    text = report(entries, abouts, machine, rounds, steps)
    click.echo(text)
    if write:
        keep("engine-as-installed" if as_installed else "engine", text)


def play(contestants: Sequence[Contestant], entries: Sequence[Entry], steps: int) -> None:
    """One round: each task by all, one after the other."""
    for task in Task:
        for contestant, entry in zip(contestants, entries, strict=True):
            if task is PREFILL:
                turns = [contestant.turn(do="prefill", tokens=PROMPT)[0] for _ in range(2)]
            else:
                turns = contestant.turn(do="decode", streams=task.streams, context=CONTEXT, steps=steps)
            entry.rounds[task].append(turns)


def ours(folder: Path, dtypes: Sequence[str], threads: int) -> list[Contestant]:
    """Us, once for each format."""
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.peers.ours", folder]
    return [Contestant("owngpt", dtype, BITS[dtype], [*command, dtype, str(threads)]) for dtype in dtypes]


def llama_cpp(folder: Path, peers: Path, threads: int, dtypes: set[str], as_installed: bool) -> list[Contestant]:
    """Every format that one of ours is compared with."""
    python, files = peers / "llama/bin/python", folder.parent / "gguf"
    env = {"LLAMA_CPP_LIB_PATH": str(peers / "llama.cpp/bin")}
    subprocess.run([python, "-m", "benchmarks.peers.gguf_files", folder, files], check=True, cwd=_ROOT)
    least = min(BITS[dtype] for dtype in dtypes)
    command: list[str | Path] = [python, "-m", "benchmarks.peers.llama_cpp"]
    options = [str(threads), *(LLAMA_CPP_AS_INSTALLED if as_installed else ())]
    return [
        Contestant("llama.cpp", kind, bits, [*command, files / f"{kind}.gguf", *options], env)
        for kind, bits in GGUF_BITS.items()
        if bits >= least
    ]


def openvino(folder: Path, peers: Path, threads: int, dtypes: set[str], as_installed: bool) -> list[Contestant]:
    """int8, computing in bf16."""
    command: list[str | Path] = [peers / "openvino/bin/python", "-m", "benchmarks.peers.openvino", folder]
    options = [str(threads), "all" if as_installed else "last"]
    return [Contestant("OpenVINO", "int8", 8, [*command, folder.parent / "openvino-int8", *options])]


def transformers(folder: Path, peers: Path, threads: int, dtypes: set[str], as_installed: bool) -> list[Contestant]:
    """bf16, from our own environment."""
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.peers.transformers", folder, "bf16", str(threads)]
    return [Contestant("transformers", "bf16", 16, command)]


STARTERS = {"llama.cpp": llama_cpp, "openvino": openvino, "transformers": transformers}
_ROOT = Path(__file__).parents[1]


def report(entries: Sequence[Entry], abouts: Sequence[str], machine: str, rounds: int, steps: int) -> str:
    """The tables in Markdown, with what they ran on."""
    lines = [
        "# Our engine against others",
        "",
        f"`python -m benchmarks.engine`, {datetime.date.today()}, {machine}. Qwen3-0.6B shape, random weights;"
        f" {rounds} interleaved rounds, in each two prefills and {steps} steps of every number of streams.",
        "",
        *abouts,
        "",
        "A ratio over 1 means that we are faster: of the best steps, of the medians, and of the best steps in each"
        " round from the lowest to the highest. The floors are those of the project; the limit is what the memory or"
        " the arithmetic of its first machine (2 cores of a Zen 4, 35 GB/s) allows.",
        "",
        "| | against | best | of medians | of rounds | floor | |",
        "|---|---|---|---|---|---|---|",
        *(duel.line() for duel in duels(entries)),
        "",
        "| best step, ms (median) | " + " | ".join(f"{entry.name} {entry.format}" for entry in entries) + " | limit |",
        "|---" * (len(entries) + 2) + "|",
        *(_line(task, entries) for task in Task),
    ]
    return "\n".join(lines)


def _line(task: Task, entries: Sequence[Entry]) -> str:
    cells = [f"{entry.best(task) * 1e3:.1f} ({entry.median(task) * 1e3:.1f})" for entry in entries]
    return f"| {task.label} | " + " | ".join(cells) + f" | {task.limit_ms:.0f} |"


def _listed(text: str, known: Sequence[str]) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := set(names) - set(known):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}; known are {', '.join(known)}")
    return names


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

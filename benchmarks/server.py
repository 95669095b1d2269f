"""A running server under load, ours and llama.cpp's in turns, as guidellm sees them.

    sh benchmarks/peers/setup.sh .peers          # once: llama.cpp's server, and guidellm
    python -m benchmarks.server [--dtype int8] [--rounds 2] [--write]

Both serve the shape of Qwen3-0.6B with random weights, each in a process of its own for as long as the benchmark lasts;
ours is started by `owngpt serve`. 1, 4 or 16 clients each send a completion as soon as their last one is answered:
prompts of 320 tokens, of which none or the first 256 are common to all, and 64 tokens of answer, greedy, streamed.
Guidellm's inter-token latency is the mean of a request; its percentiles are over requests, weighted by tokens.
"""

from __future__ import annotations

import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.engine import peers_option
from benchmarks.machine import hardware, keep
from benchmarks.serving import KEY, Address, llama_cpp, ours
from benchmarks.shape import write_random

COMMON, OWN, ANSWER = 256, 64, 64  # tokens
REQUESTS = {1: 6, 4: 12, 16: 32}  # by clients
GUIDELLM = {
    "HF_HUB_OFFLINE": "1",
    "GUIDELLM__MAX_WORKER_PROCESSES": "1",  # else one for every client, and they take the server's cores
    "GUIDELLM__LOGGING__CONSOLE_LOG_LEVEL": "WARNING",
}


class Load(NamedTuple):
    """How many clients, and whether their prompts begin alike."""

    clients: int
    is_shared: bool

    @property
    def label(self) -> str:
        return f"{self.clients} client{'s' if self.clients > 1 else ''}, {'shared' if self.is_shared else 'own'} prefix"


class Seen(NamedTuple):
    """One run; times in milliseconds."""

    ttft_p50: float
    ttft_p99: float
    itl_p50: float
    itl_p99: float
    tokens_per_second: float


LOADS = [Load(clients, is_shared) for is_shared in (False, True) for clients in REQUESTS]
Results = Mapping[tuple[Load, str], Sequence[Seen]]


@click.command()
@click.option("--dtype", default="int8", show_default=True, help="Our number format; llama.cpp's is Q8_0.")
@click.option("--rounds", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--threads", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(min=1))
@click.option("--alone", is_flag=True, help="Without llama.cpp.")
@click.option("--tiny", is_flag=True, help="A small shape, to try the script with.")
@click.option("--write", is_flag=True, help="Keep the table in benchmarks/results.")
@peers_option
def main(dtype: str, rounds: int, threads: int, alone: bool, tiny: bool, write: bool, peers: Path) -> None:
    """Print the table."""
    machine, peers = hardware(), peers.absolute()
    home = peers / ("tiny" if tiny else "shape")
    folder = write_random(home / "hf", tiny=tiny)
    results: dict[tuple[Load, str], list[Seen]] = defaultdict(list)
    with ExitStack() as stack:
        servers = [stack.enter_context(ours(folder, home / "data", dtype, threads))]
        if not alone:
            program, file = peers / "llama.cpp/bin/llama-server", home / "gguf/Q8_0.gguf"
            servers.append(stack.enter_context(llama_cpp(program, file, threads)))
        for number in range(rounds):
            for load in LOADS:
                for server in servers:
                    print(f"round {number + 1}: {server.name}, {load.label}", file=sys.stderr)
                    seed = 100 * number + LOADS.index(load)
                    results[load, server.name].append(drive(peers, folder, server, load, seed))
    text = report(results, [server.name for server in servers], machine, rounds)
    click.echo(text)
    if write:
        keep("server", text)


def drive(peers: Path, folder: Path, server: Address, load: Load, seed: int) -> Seen:
    """One run of guidellm. Prompts differ from run to run, or a server that remembers them would read none."""
    with tempfile.TemporaryDirectory() as place:
        scenario, output = Path(place) / "scenario.json", Path(place) / "report.json"
        scenario.write_text(json.dumps(_scenario(folder, server, load, seed, output)))
        subprocess.run(
            [peers / "serving/bin/guidellm", "run", "--scenario", scenario, "--disable-console"],
            env={**os.environ, **GUIDELLM},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return seen(json.loads(output.read_text()))


def _scenario(folder: Path, server: Address, load: Load, seed: int, output: Path) -> dict[str, Any]:
    common = {"prefix_tokens": COMMON, "prefix_count": 1} if load.is_shared else {}
    data = {"prompt_tokens": OWN if load.is_shared else COMMON + OWN, "output_tokens": ANSWER, **common}
    spec = {
        "backend": {
            "kind": "openai_http",
            "target": server.url,
            "model": server.model,
            "api_key": KEY,
            "request_format": "/v1/completions",
            "extras": {"body": {"temperature": 0}},
        },
        "profile": {"kind": "concurrent", "streams": [load.clients]},
        "constraints": [{"kind": "max_requests", "count": REQUESTS[load.clients]}],
        "tokenizer": {"kind": "huggingface_auto", "model": str(folder)},
        "data": [{"kind": "synthetic_text", **data}],
        "seed": {"kind": "static", "value": seed},
        "outputs": [{"kind": "json", "path": str(output)}],
    }
    return {"spec": spec}


def seen(document: Mapping[str, Any]) -> Seen:
    """What guidellm reports. AssertionError if not every request has been answered in full."""
    (benchmark,) = document["benchmarks"]
    assert not benchmark["requests"]["errored"], benchmark["requests"]["errored"][0]["info"]["error"]
    metrics = {name: values.get("successful") for name, values in benchmark["metrics"].items() if values}
    assert metrics["output_token_count"]["min"] == ANSWER, "an answer is too short"
    ttft, itl = (metrics[name]["percentiles"] for name in ("time_to_first_token_ms", "inter_token_latency_ms"))
    total = metrics["output_token_count"]["total_sum"]
    return Seen(ttft["p50"], ttft["p99"], itl["p50"], itl["p99"], total / benchmark["duration"])


def report(results: Results, names: Sequence[str], machine: str, rounds: int) -> str:
    """The table in Markdown, with what it ran on."""
    lines = [
        "# A server under load",
        "",
        f"`python -m benchmarks.server`, {datetime.date.today()}, {machine}. Qwen3-0.6B shape, random weights,"
        f" guidellm; prompts of {COMMON + OWN} tokens, answers of {ANSWER}; medians of {rounds} interleaved rounds.",
        "",
        "| | server | first token p50, ms | p99 | between tokens p50, ms | p99 | tokens/s | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for load in LOADS:
        runs = [results[load, name] for name in names]
        for name, run in zip(names, runs, strict=True):
            cells = " | ".join(f"{value:.0f}" for value in map(statistics.median, zip(*run, strict=True)))
            lines.append(f"| {load.label} | {name} | {cells} | {_ratio(runs[0], run) if run is not runs[0] else ''} |")
    return "\n".join(lines)


def _ratio(mine: Sequence[Seen], theirs: Sequence[Seen]) -> str:
    """Our throughput over theirs: the median of the rounds, and their spread."""
    ratios = [a.tokens_per_second / b.tokens_per_second for a, b in zip(mine, theirs, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()

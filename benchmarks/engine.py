"""Our engine and transformers on one model shape, in turns, as ratios.

    python -m benchmarks.engine [--rounds 3] [--dtype bf16] [--write]

The shape is Qwen3-0.6B's with random weights: speed does not depend on the values. Each round runs each engine in a
process of its own, one after the other, so that both meet the same machine. Prefill of one prompt of 512 tokens;
decode steps of several sequences at 128 tokens each, greedy.
"""

from __future__ import annotations

import datetime
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch

from benchmarks.server import RESULTS, hardware

PROMPT, CONTEXT, STREAMS = 512, 128, ("1", "4", "8", "16")
SHAPE = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151_936,
    "max_position_embeddings": 40_960,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000,
    "tie_word_embeddings": True,
    "hidden_act": "silu",
    "attention_bias": False,
}


class Row(NamedTuple):
    """One line of the table: the best and the median of all rounds, for us and for the peer."""

    what: str
    ours: tuple[float, float]
    peer: tuple[float, float]
    unit: str
    is_speed: bool  # more is better

    @property
    def ratios(self) -> list[float]:
        """How many times as fast as the peer we are: by the bests, by the medians."""
        pairs = zip(self.ours, self.peer, strict=True)
        return [mine / theirs if self.is_speed else theirs / mine for mine, theirs in pairs]


@click.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--dtype", default="bf16", show_default=True, type=click.Choice(["bf16", "fp32"]))
@click.option("--write", is_flag=True, help="Keep the table in benchmarks/results.")
def main(rounds: int, dtype: str, write: bool) -> None:
    """Print the table."""
    machine, ours, peer = hardware(), [], []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(SHAPE))
        for number in range(1, rounds + 1):
            print(f"round {number} of {rounds}", file=sys.stderr)
            ours.append(_run(_our_command(folder, dtype)))
            peer.append(_run(_peer_command(folder, dtype)))
    text = report(rows(ours, peer), machine, dtype, rounds)
    click.echo(text)
    if write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{datetime.date.today()}-engine-{dtype}.md").write_text(text + "\n", encoding="utf-8")


def rows(ours: Sequence[dict[str, Any]], peer: Sequence[dict[str, Any]]) -> list[Row]:
    """The lines of the table from the runs of both."""
    prefill = [_best_and_median([run["prefill_tok_s"] for run in runs], max) for runs in (ours, peer)]
    found = [Row(f"prefill of {PROMPT}", prefill[0], prefill[1], "tok/s", is_speed=True)]
    for number in STREAMS:
        mine, theirs = (
            (
                min(run["decode"][number]["best_ms"] for run in runs),
                statistics.median(run["decode"][number]["median_ms"] for run in runs),
            )
            for runs in (ours, peer)
        )
        found.append(Row(f"decode, {number} streams", mine, theirs, "ms a step", is_speed=False))
    return found


def report(table: Sequence[Row], machine: str, dtype: str, rounds: int) -> str:
    """The table in Markdown, with what it ran on. A ratio over 1 means that we are faster."""
    import transformers

    lines = [
        "# Our engine against transformers",
        "",
        f"`python -m benchmarks.engine --dtype {dtype} --rounds {rounds}`, {datetime.date.today()}, {machine},",
        f"{torch.get_num_threads()} threads, PyTorch {torch.__version__}, transformers {transformers.__version__}"
        f" (SDPA). Qwen3-0.6B shape, random weights, {dtype}; interleaved rounds.",
        "",
        "| | unit | owngpt best | median | transformers best | median | ratio of bests | of medians |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in table:
        numbers = " | ".join(f"{value:.1f}" for value in (*row.ours, *row.peer))
        lines.append(f"| {row.what} | {row.unit} | {numbers} | {row.ratios[0]:.2f} | {row.ratios[1]:.2f} |")
    return "\n".join(lines)


def _best_and_median(values: Sequence[float], best: Any) -> tuple[float, float]:
    return best(values), statistics.median(values)


def _our_command(folder: str, dtype: str) -> list[str]:
    options = ["--prompt", str(PROMPT), "--context", str(CONTEXT), "--streams", ",".join(STREAMS), "--json"]
    return ["-m", "owngpt", "bench", "engine", "--model", folder, "--random-weights", "--dtype", dtype, *options]


def _peer_command(folder: str, dtype: str) -> list[str]:
    return ["-m", "benchmarks.peer_transformers", folder, dtype, str(PROMPT), str(CONTEXT), ",".join(STREAMS)]


def _run(arguments: Sequence[str]) -> dict[str, Any]:
    output = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, check=True, text=True).stdout
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()

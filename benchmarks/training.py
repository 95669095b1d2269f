"""How much less a loss costs by our recipe than by that of GPT-2: compute and time to the same held-out text.

    python -m benchmarks.training --corpus CORPUS --tokenizer TOKENIZER --keep FOLDER [--write]

Both learn from the same tokens in the same order, with as many parameters, in the same precision. The baseline
(`learners/gpt2.py`) has its learning rate tuned, at its full length. Then our recipe runs at several lengths, each a
whole run with its own fall of the learning rate; what the baseline's loss costs lies between the two lengths around it
(straight in the logarithm of the compute). Every run is kept in FOLDER, so the same command goes on where it was.

Time is compute at each recipe's own speed. Speeds are taken in turns, in short pieces, so that all meet the same
machine; the third is the same step written with transformers and its Trainer.
"""

from __future__ import annotations

import datetime
import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from benchmarks.learners.gpt2 import Baseline
from benchmarks.learners.ours import Ours
from benchmarks.learners.speed import Speeds, measure_speeds
from benchmarks.learners.text import CONTEXT, Learnt, Text
from benchmarks.machine import hardware, keep
from owngpt.training.dial import flops_per_token, num_parameters, shape

RATES = (1e-3, 2e-3, 4e-3)  # of the baseline, at first; the range is extended while an edge is best
LENGTHS = (0.3, 0.45)  # of ours, as shares of the baseline's compute
TARGET_COMPUTE, TARGET_TIME = 0.45, 0.50


@dataclass(frozen=True, slots=True)
class Row:
    """One size and seed: what the baseline reached, and what that costs us as a share of its compute."""

    depth: int
    seed: int
    baseline: Learnt
    ours: tuple[Learnt, ...]

    @property
    def share(self) -> float:
        """Of the baseline's compute, at which our loss is the baseline's."""
        points = sorted((math.log(one.flops / self.baseline.flops), one.bits) for one in self.ours)
        (x0, y0), (x1, y1) = points[-2:] if points[-2][1] > self.baseline.bits else points[:2]
        return math.exp(x0 + (self.baseline.bits - y0) * (x1 - x0) / (y1 - y0))


class Runs:
    """Runs that were made before are read, others are made and kept."""

    def __init__(self, text: Text, folder: Path, baseline_tokens: dict[int, int]) -> None:
        self.text, self.folder, self.baseline_tokens = text, folder, baseline_tokens
        folder.mkdir(parents=True, exist_ok=True)

    def baseline(self, depth: int, rate: float, seed: int) -> Learnt:
        size = num_parameters(shape(depth, self.text.vocab_size, CONTEXT))
        tokens = self.baseline_tokens[depth]
        return self._kept(
            f"gpt2-{depth}-{rate:.1e}-{seed}-{tokens}",
            lambda: Baseline(self.text, size, rate, seed).train(tokens, click.echo),
        )

    def ours(self, depth: int, seed: int, flops: float) -> Learnt:
        tokens = round(flops / flops_per_token(shape(depth, self.text.vocab_size, CONTEXT), CONTEXT))
        name = f"ours-{depth}-{seed}-{tokens}"
        return self._kept(name, lambda: Ours(self.text, depth, seed, tokens, self.folder / name).train(click.echo))

    def best_rate(self, depth: int, seed: int) -> float:
        """The baseline's learning rate with the lowest loss; the neighbours of the best have all been tried."""
        bits = {rate: self.baseline(depth, rate, seed).bits for rate in RATES}
        while (best := min(bits, key=bits.__getitem__)) in (min(bits), max(bits)):
            rate = best / 2 if best == min(bits) else best * 2
            bits[rate] = self.baseline(depth, rate, seed).bits
        return best

    def _kept(self, name: str, run: Callable[[], Learnt]) -> Learnt:
        path = self.folder / f"{name}.json"
        if not path.exists():
            click.echo(name)
            learnt = run()
            path.write_text(json.dumps(asdict(learnt)), encoding="utf-8")
        learnt = Learnt(**json.loads(path.read_text(encoding="utf-8")))
        click.echo(f"{name}: {learnt.bits:.4f} bits per byte after {learnt.flops:.2e} operations")
        return learnt


@click.command()
@click.option("--corpus", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--tokenizer", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--keep", "folder", type=click.Path(path_type=Path), required=True, help="Where runs are kept.")
@click.option("--depths", default="3,4", show_default=True, help="Our two sizes.")
@click.option("--tokens", default="3.0,4.0", show_default=True, help="Of the baseline, in millions, for each size.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--write", is_flag=True, help="Keep the table in benchmarks/results.")
def main(corpus: Path, tokenizer: Path, folder: Path, depths: str, tokens: str, seeds: int, write: bool) -> None:
    """Print the table."""
    sizes = [int(depth) for depth in depths.split(",")]
    lengths = {depth: round(float(num) * 1e6) for depth, num in zip(sizes, tokens.split(","), strict=True)}
    text = Text.load(corpus, tokenizer, folder / "tokens", 2 * max(lengths.values()))
    runs, rows, rates = Runs(text, folder, lengths), [], {}
    for depth in sizes:
        rates[depth] = runs.best_rate(depth, seed=0)
        for seed in range(seeds):
            baseline = runs.baseline(depth, rates[depth], seed)
            ours = tuple(runs.ours(depth, seed, share * baseline.flops) for share in LENGTHS)
            rows.append(Row(depth, seed, baseline, ours))
    speeds = {depth: measure_speeds(text, depth, click.echo) for depth in sizes}
    report_text = report(rows, rates, speeds)
    click.echo(report_text)
    if write:
        keep("training", report_text)


def report(rows: Sequence[Row], rates: dict[int, float], speeds: dict[int, Speeds]) -> str:
    """The tables in Markdown."""
    lines = [
        "# What a loss costs",
        "",
        f"`python -m benchmarks.training`, {datetime.date.today()}, {hardware()}. The baseline is GPT-2's recipe with"
        " a tuned learning rate; ours is `owngpt train pretrain`'s. Same text in the same order, same tokenizer, same"
        " number of parameters within a few percent, bf16 with float32 master weights. Bits per byte are the mean of"
        " held-out English, Japanese and Python.",
        "",
        "| size | seed | baseline: parameters, rate, tokens | bits per byte | "
        + " | ".join(f"ours at {share:.0%} of the compute" for share in LENGTHS)
        + " | compute to the same | time to the same |",
        "|---" * (6 + len(LENGTHS)) + "|",
        *(_line(row, rates[row.depth], speeds[row.depth]) for row in rows),
        "",
        *(_summary(depth, [row for row in rows if row.depth == depth], speed) for depth, speed in speeds.items()),
        "",
        "| size | " + " | ".join(("ours", "baseline", "transformers and Trainer")) + " | products of matrices |",
        "|---|---|---|---|---|",
        *(_speed_line(depth, speed) for depth, speed in speeds.items()),
    ]
    return "\n".join(lines)


def _line(row: Row, rate: float, speeds: Speeds) -> str:
    ours = " | ".join(f"{one.bits:.4f}" for one in row.ours)
    return (
        f"| {row.ours[0].num_parameters / 1e6:.1f} M | {row.seed} | {row.baseline.num_parameters / 1e6:.1f} M,"
        f" {rate:.0e}, {row.baseline.tokens / 1e6:.1f} M | {row.baseline.bits:.4f} | {ours} | {row.share:.0%} |"
        f" {row.share * speeds.time_per_flop:.0%} |"
    )


def _summary(depth: int, rows: Sequence[Row], speeds: Speeds) -> str:
    compute = statistics.median(row.share for row in rows)
    seconds = compute * speeds.time_per_flop
    is_reached = compute <= TARGET_COMPUTE and seconds <= TARGET_TIME
    return (
        f"- depth {depth}: {compute:.0%} of the compute and {seconds:.0%} of the time (medians); the goals are"
        f" {TARGET_COMPUTE:.0%} and {TARGET_TIME:.0%}: {'reached' if is_reached else 'not reached'}"
    )


def _speed_line(depth: int, speeds: Speeds) -> str:
    cells = [
        f"{one.tokens_per_second:,.0f} tokens/s, {one.flops_per_second / speeds.matrix_rate:.0%} of the matrix rate"
        for one in (speeds.ours, speeds.baseline, speeds.trainer)
    ]
    return f"| depth {depth} | " + " | ".join(cells) + f" | {speeds.matrix_rate / 1e9:.0f} GFLOP/s |"


if __name__ == "__main__":
    main()

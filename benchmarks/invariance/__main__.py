"""The same answer under any load: every prompt alone, then all in all circumstances, compared bit for bit.

    python -m benchmarks.invariance [--model DIR] [--dtype int8,int4,bf16,fp32] [--prompts 1000] [--write]

Without --model it is the bundled Garlic. Exit status 1 if any token or any bit of any log-probability differs.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from benchmarks.invariance.answers import Report, differences
from benchmarks.invariance.setups import SETUPS, Bench, Run, Setup, Subject
from benchmarks.machine import keep
from owngpt.model.bundled import garlic_folder

HEADER = (
    "| weights | circumstances | prompts | tokens | log-probabilities | from cache | from disk | preempted | guessed "
    "| differing tokens | differing log-probabilities |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


@click.command()
@click.option("--model", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Its folder.")
@click.option("--dtype", default="int8,int4,bf16,fp32", show_default=True, help="Number formats of the weights.")
@click.option("--prompts", default=1000, show_default=True, type=click.IntRange(min=1))
@click.option("--longest", default=400, show_default=True, type=click.IntRange(min=1), help="Tokens of a prompt.")
@click.option("--write", is_flag=True, help="Keep the table in benchmarks/results.")
def main(model: Path | None, dtype: str, prompts: int, longest: int, write: bool) -> None:
    """Print the table."""
    lines, has_differences = [HEADER], False
    for name in dtype.split(","):
        bench = Bench(Subject(model or garlic_folder(), name, prompts, longest))
        alone = bench.alone(progress(f"{name} alone", prompts))
        for setup in SETUPS:
            run = bench.together(setup, progress(f"{name} {setup.name}", prompts))
            lines.append(row(name, setup, alone, run))
            has_differences |= run.answers != alone.answers
    click.echo("\n".join(lines))
    if write:
        keep("invariance", "\n".join(lines))
    sys.exit(1 if has_differences else 0)


def row(dtype: str, setup: Setup, alone: Run, run: Run) -> str:
    """One line of the table."""
    found = differences(alone.answers, run.answers)
    choices = [choice for answer in run.answers for choice in answer]
    tokens, logprobs = sum(len(c.token_ids) for c in choices), sum(len(c.bits) for c in choices)
    numbers = [len(run.answers), tokens, logprobs, *run.counts.values(), found.tokens, found.logprobs]
    return f"| {dtype} | {setup.name} | " + " | ".join(f"{number:,}" for number in numbers) + " |"


def progress(name: str, total: int) -> Report:
    """A line on stderr that counts."""
    begin = time.monotonic()

    def report(done: int) -> None:
        if done % 20 == 0 or done == total:
            end = "\n" if done == total else ""
            print(
                f"\r{name}: {done} of {total}, {time.monotonic() - begin:.0f} s", end=end, file=sys.stderr, flush=True
            )

    return report


if __name__ == "__main__":
    main()

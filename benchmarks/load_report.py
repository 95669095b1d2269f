"""What `load.py` concludes, and its table."""

from __future__ import annotations

import sqlite3
import statistics
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from benchmarks.clients import Seen
from benchmarks.process import Sample

WARM_SECONDS = 60.0  # for which a server may grow
WINDOW_SECONDS = 60.0  # at the beginning and at the end of what is compared: from one trim of the heap to the next
GROWTH = 0.05
MB = 1e6


class Verdict(NamedTuple):
    """A figure, what it should be, and whether it is."""

    name: str
    value: str
    floor: str
    is_good: bool


def judge(seen: Seen, samples: Sequence[Sample], data_dir: Path, status: int) -> list[Verdict]:
    """Of a server that has ended; the last sample is of the time when nobody asked it any more."""
    busy = samples[:-1]
    growth = _late(busy, _memory) / _early(busy, _memory) - 1
    threads = _late(busy, lambda one: one.threads) - _early(busy, lambda one: one.threads)
    files = _late(busy, lambda one: one.files) - _early(busy, lambda one: one.files)
    errors = sum(number for (_, code), number in seen.statuses.items() if code >= 500)
    refusals = sum(number for (_, code), number in seen.statuses.items() if 400 <= code < 500)
    wrong, doubled, lost = _usage(seen, data_dir)
    return [
        Verdict("memory after the first minute", f"{growth:+.1%}", f"below {GROWTH:+.0%}", growth < GROWTH),
        Verdict("threads after the first minute", f"{threads:+.0f}", "at most +2", threads <= 2),
        Verdict("open files after the first minute", f"{files:+.0f}", "at most +10", files <= 10),
        Verdict("answers 5xx", f"{errors}", "0", errors == 0),
        Verdict("answers 4xx", f"{refusals}", "0", refusals == 0),
        Verdict("streams that broke", f"{len(seen.broken)}", "0", not seen.broken),
        Verdict(f"usage unlike what {len(seen.usage)} clients were told", f"{wrong}", "0", wrong == 0),
        Verdict(f"usage missing of {len(seen.left)} that hung up", f"{lost}", "0", lost == 0),
        Verdict("requests that were counted twice", f"{doubled}", "0", doubled == 0),
        Verdict("exit status, database", f"{status}, {_integrity(data_dir)}", "0, ok", status == 0),
    ]


def report(setting: str, seen: Seen, samples: Sequence[Sample], verdicts: Sequence[Verdict]) -> str:
    """In Markdown."""
    lines = ["# A server under load", "", f"`python -m benchmarks.load` {setting}. Bundled models.", ""]
    lines += ["| | | should be | |", "|---|---|---|---|"]
    lines += [f"| {one.name} | {one.value} | {one.floor} | {'ok' if one.is_good else 'NO'} |" for one in verdicts]
    lines += ["", *_answers(seen), "", *_course(samples)]
    lines += [f"\nBroken: {text}" for text in seen.broken[:5]]
    return "\n".join(lines)


def _answers(seen: Seen) -> list[str]:
    kinds = sorted({kind for kind, _ in seen.statuses})
    lines = ["| asked | answers by status | first token p50, s | p99 |", "|---|---|---|---|"]
    for kind in kinds:
        codes = ", ".join(f"{code}: {number}" for (name, code), number in sorted(seen.statuses.items()) if name == kind)
        firsts = sorted(seen.firsts.get(kind, []))
        times = (f"{firsts[int(share * len(firsts))]:.2f}" if firsts else "" for share in (0.5, 0.99))
        lines.append(f"| {kind} | {codes} | {' | '.join(times)} |")
    return lines


def _course(samples: Sequence[Sample]) -> list[str]:
    """Twelve moments or so, and the one after."""
    lines = ["| second | memory, MB | open files | threads | database, MB | its log, MB |", "|---|---|---|---|---|---|"]
    step = max(1, len(samples) // 12)
    for one in [*samples[:-1:step], samples[-2], samples[-1]]:
        when = "nobody asks" if one is samples[-1] else f"{one.seconds:.0f}"
        sizes = f"{one.database / MB:.1f} | {one.log / MB:.1f}"
        lines.append(f"| {when} | {one.memory / MB:.0f} | {one.files} | {one.threads} | {sizes} |")
    return lines


def _memory(one: Sample) -> float:
    return one.memory


def _early(samples: Sequence[Sample], value: Callable[[Sample], float]) -> float:
    """The median after the first minute (of a run that is shorter: of its middle)."""
    start = min(WARM_SECONDS, samples[-1].seconds / 2)
    return statistics.median(value(one) for one in samples if start <= one.seconds <= start + WINDOW_SECONDS)


def _late(samples: Sequence[Sample], value: Callable[[Sample], float]) -> float:
    end = samples[-1].seconds
    return statistics.median(value(one) for one in samples if one.seconds >= end - WINDOW_SECONDS)


def _usage(seen: Seen, data_dir: Path) -> tuple[int, int, int]:
    """How many requests have other tokens than their clients were told; how many are there twice; how many are not."""
    columns = "SELECT request_id, COUNT(*), SUM(input_tokens), SUM(output_tokens) FROM usage_events"
    with closing(sqlite3.connect(data_dir / "owngpt.db")) as connection:
        rows = connection.execute(f"{columns} WHERE kind IN ('completions', 'embeddings') GROUP BY request_id")
        counted = {request: (number, tokens) for request, number, *tokens in rows}
    wrong = sum(counted.get(request, (0, []))[1] != list(told) for request, told in seen.usage.items())
    doubled = sum(number > 1 for number, _ in counted.values())
    return wrong, doubled, len(seen.left - counted.keys())


def _integrity(data_dir: Path) -> str:
    with closing(sqlite3.connect(data_dir / "owngpt.db")) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])

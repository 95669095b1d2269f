"""What a result was measured on, and where it is kept."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def hardware() -> str:
    """The processor's name, how many cores there are, and what else they had to do."""
    names = [line.split(":", 1)[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    load = f"load of the machine {os.getloadavg()[0]:.1f}"
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        load += ", both processes with real-time priority (`chrt -f 5`)"
    return f"{names[0].strip() if names else 'unknown processor'}, {os.cpu_count()} cores, {load}"


def keep(name: str, text: str) -> None:
    """Write today's result into benchmarks/results."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{datetime.date.today()}-{name}.md").write_text(text + "\n", encoding="utf-8")

"""The figures of each engine, and the ratios that follow from them, beside the floors that we have set ourselves."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from typing import NamedTuple


class Task(Enum):
    """What is timed. `streams` is 0 for prefill; the limit is of int8 weights on 2 cores of a Zen 4."""

    PREFILL = (0, 1000 * 512 / 900)
    DECODE_1 = (1, 17.0)
    DECODE_4 = (4, 17.0)
    DECODE_8 = (8, 17.0)
    DECODE_16 = (16, 24.0)

    def __init__(self, streams: int, limit_ms: float) -> None:
        self.streams = streams
        self.limit_ms = limit_ms

    @property
    def label(self) -> str:
        if not self.streams:
            return "prefill of 512"
        return f"decode, {self.streams} stream{'s' if self.streams > 1 else ''}"


PREFILL = Task.PREFILL
FLOORS = {
    (Task.PREFILL, "int8", "llama.cpp"): 2.5,
    (Task.PREFILL, "int8", "OpenVINO"): 1.8,
    (Task.DECODE_1, "int8", "llama.cpp"): 1.0,
    (Task.DECODE_1, "int8", "OpenVINO"): 1.25,
    (Task.DECODE_1, "int4", "llama.cpp"): 1.0,
    (Task.DECODE_4, "int8", "llama.cpp"): 2.2,
    (Task.DECODE_4, "int8", "OpenVINO"): 1.3,
    (Task.DECODE_16, "int8", "llama.cpp"): 3.5,
    (Task.DECODE_16, "int8", "OpenVINO"): 1.6,
}


@dataclass
class Entry:
    """An engine in one format: of each task, the seconds of each round's steps."""

    name: str
    format: str
    bits: int
    rounds: dict[Task, list[list[float]]] = field(default_factory=lambda: defaultdict(list))

    def best(self, task: Task) -> float:
        return min(chain(*self.rounds[task]))

    def median(self, task: Task) -> float:
        return statistics.median(chain(*self.rounds[task]))


class Duel(NamedTuple):
    """One of our formats against one engine's formats with at least as many bits, on one task."""

    task: Task
    ours: Entry
    theirs: Sequence[Entry]

    @property
    def best(self) -> float:
        """How many times as fast we are, by the best steps of all rounds."""
        return min(entry.best(self.task) for entry in self.theirs) / self.ours.best(self.task)

    @property
    def of_medians(self) -> float:
        return min(entry.median(self.task) for entry in self.theirs) / self.ours.median(self.task)

    @property
    def of_rounds(self) -> list[float]:
        """The ratios of the best steps of each round, lowest first."""
        theirs = zip(*(entry.rounds[self.task] for entry in self.theirs), strict=True)
        pairs = zip(theirs, self.ours.rounds[self.task], strict=True)
        return sorted(min(chain(*round)) / min(mine) for round, mine in pairs)

    @property
    def floor(self) -> float | None:
        return FLOORS.get((self.task, self.ours.format, self.theirs[0].name))

    def line(self) -> str:
        """A line of the table."""
        fastest = min(self.theirs, key=lambda entry: entry.best(self.task))
        rounds, floor = self.of_rounds, self.floor
        verdict = "" if floor is None else "ok" if self.best >= floor else "not reached"
        return (
            f"| {self.task.label}, {self.ours.format} | {fastest.name} {fastest.format}"
            f" | {self.best:.2f} | {self.of_medians:.2f} | {rounds[0]:.2f} to {rounds[-1]:.2f}"
            f" | {'' if floor is None else floor} | {verdict} |"
        )


def duels(entries: Sequence[Entry]) -> Iterator[Duel]:
    """Everyone of ours against everyone who can be compared with it."""
    ours = [entry for entry in entries if entry.name == "owngpt"]
    names = dict.fromkeys(entry.name for entry in entries if entry.name != "owngpt")
    for mine in ours:
        for task in Task:
            for name in names:
                theirs = [entry for entry in entries if entry.name == name and entry.bits >= mine.bits]
                if theirs:
                    yield Duel(task, mine, theirs)

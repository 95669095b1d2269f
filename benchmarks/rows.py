"""Lines of a table: what was measured in each round, and the floor that it has to keep."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One line. `values` are one ratio per round; the median of them is judged. `note` has the figures behind it."""

    what: str
    values: Sequence[float]
    floor: float
    is_at_least: bool  # else at most
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def is_kept(self) -> bool:
        return self.median >= self.floor if self.is_at_least else self.median <= self.floor

    def line(self) -> str:
        """A line of the table."""
        spread = f"{min(self.values):.3g} to {max(self.values):.3g}"
        floor = f"{'at least' if self.is_at_least else 'at most'} {self.floor:g}"
        verdict = "ok" if self.is_kept else "not reached"
        return f"| {self.what} | {self.median:.3g} | {spread} | {floor} | {verdict} | {self.note} |"


HEADER = "| | median | of rounds | floor | | |\n|---|---|---|---|---|---|"

"""docs/api-operations.md as data: which operation works, differs or is absent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "api-operations.md"
BEYOND = "## Beyond the specification"


@dataclass(frozen=True)
class Row:
    """What the table says of one operation."""

    status: str  # "works", "differs: how" or "absent"

    @property
    def is_served(self) -> bool:
        return self.status != "absent"


@cache
def documented() -> dict[str, Row]:
    """Operations of the spec, by method and path. Raises `AssertionError` where one stands there twice."""
    return _rows(DOCUMENT.read_text(encoding="utf-8").partition(BEYOND)[0])


@cache
def beyond() -> dict[str, Row]:
    """Operations that the spec does not have, with their whole paths."""
    return _rows(DOCUMENT.read_text(encoding="utf-8").partition(BEYOND)[2])


def _rows(text: str) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for line in re.findall(r"^\| (`.*) \|$", text, re.MULTILINE):
        cell, _, status = line.partition(" | ")
        for operation in _operations(cell):
            assert operation not in rows, f"{operation} stands there twice"
            rows[operation] = Row(status)
    return rows


def _operations(cell: str) -> list[str]:
    """From "`GET`, `POST /files`": a method without a path has that of the next one."""
    waiting: list[str] = []
    found: list[str] = []
    for text in re.findall(r"`([^`]+)`", cell):
        method, _, path = text.partition(" ")
        waiting.append(method)
        if path:
            found += [f"{each} {path}" for each in waiting]
            waiting = []
    assert not waiting, f"{cell}: no path behind {waiting}"
    return found

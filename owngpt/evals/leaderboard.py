"""Reports side by side: which model reached what on the same items, as Markdown and as one page of HTML.

Figures are put into one table only where they come from the same items and prompts; what vendors publish stands apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from owngpt.errors import ConfigError
from owngpt.evals.report import Report, is_clear
from owngpt.evals.run import Kind, Result, Row
from owngpt.evals.stats import Figure


@dataclass(frozen=True, slots=True)
class Cell:
    """What somebody reached by a task's first metric."""

    figure: Figure
    is_clear: bool  # of all baselines
    is_best: bool  # of the task


@dataclass(frozen=True, slots=True)
class Line:
    """One task. `cells` has the models and parts of the product that took part; of baselines there is the best one."""

    task: str
    title: str
    title_ja: str
    metric: str
    digest: str
    num_items: int
    cells: Mapping[str, Cell]
    baseline: str
    baseline_cell: Cell


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Columns are models and parts of the product, in this order."""

    columns: Mapping[str, Kind]
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Published:
    """A figure that a vendor gives for a model, on items and prompts of its own."""

    model: str
    task: str
    metric: str
    value: str
    source: str  # URL


def side_by_side(reports: Sequence[Report]) -> Leaderboard:
    """Raises `ConfigError` where two reports have a task of the same name with other items or prompts."""
    if not reports:
        raise ConfigError("a leaderboard needs at least one report of `owngpt eval run`")
    by_task: dict[str, list[Result]] = {}
    for report in reports:
        for result in report.results:
            by_task.setdefault(result.task, []).append(result)
    for name, results in by_task.items():
        if len({result.digest for result in results}) > 1:
            found = ", ".join(f"{result.rows[0].by} {result.digest} ({result.num_items} items)" for result in results)
            raise ConfigError(f"{name} was asked with different items or prompts: {found}; run both on the same ones")
    lines = [_line(results) for results in by_task.values()]
    rows = [row for results in by_task.values() for result in results for row in result.rows]
    kinds = {row.by: row.kind for kind in ("model", "product") for row in rows if row.kind == kind}
    return Leaderboard(kinds, lines)


def read_published(file: Path) -> list[Published]:
    """JSON: a list of objects with the fields of `Published`. Raises `ConfigError` that names the file."""
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        return [Published(**{name: str(value) for name, value in row.items()}) for row in rows]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        needed = "a list of objects with model, task, metric, value and source"
        raise ConfigError(f"{file}: expected {needed}: {error}") from error


def markdown(board: Leaderboard, published: Sequence[Published] = ()) -> str:
    """Tables; bold is a task's best, ✓ is clear of its baselines."""
    names = [*board.columns, "best baseline"]
    lines = [f"| task | metric | items | {' | '.join(names)} |", "|---" * (3 + len(names)) + "|"]
    for line in board.lines:
        cells = [_shown(line.cells.get(name)) for name in board.columns]
        cells.append(f"*{line.baseline}* {_shown(line.baseline_cell)}")
        lines.append(f"| {line.task} | {line.metric} | {line.num_items} | {' | '.join(cells)} |")
    lines += ["", "Bold: the best of a task. ✓: better than its baselines, and the 95% intervals do not overlap."]
    return "\n".join([*lines, *_published_lines(published)])


def _published_lines(published: Sequence[Published]) -> list[str]:
    if not published:
        return []
    head = ["", "Published by vendors, on other items and prompts; not measured here:", ""]
    rows = [f"| {one.model} | {one.task} | {one.metric} | {one.value} | {one.source} |" for one in published]
    return [*head, "| model | task | metric | value | source |", "|---|---|---|---|---|", *rows]


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return ""
    text = f"{cell.figure.value:.3f} ({cell.figure.low:.3f}-{cell.figure.high:.3f})"
    return (f"**{text}**" if cell.is_best else text) + (" ✓" if cell.is_clear else "")


def _line(results: Sequence[Result]) -> Line:
    rows: dict[str, Row] = {row.by: row for result in results for row in result.rows}
    first = results[0]
    metric = next(iter(first.rows[0].figures))
    sign = -1 if first.is_lower_better else 1
    ranked = sorted(rows.values(), key=lambda row: -sign * row.figures[metric].value)
    cells = {row.by: _cell(row, metric, ranked[0].figures[metric].value) for row in ranked}
    baseline = next(row.by for row in ranked if row.kind == "baseline")
    others = {name: cell for name, cell in cells.items() if rows[name].kind != "baseline"}
    about = (first.task, first.title, first.title_ja, metric, first.digest, first.num_items)
    return Line(*about, others, baseline, cells[baseline])


def _cell(row: Row, metric: str, best: float) -> Cell:
    figure = row.figures[metric]
    return Cell(figure, is_clear(row), figure.value == best)

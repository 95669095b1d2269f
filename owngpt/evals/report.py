"""What a run found, as JSON that can be read back, and as Markdown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from owngpt.errors import ConfigError
from owngpt.evals.run import Result, Row
from owngpt.evals.stats import Comparison, Figure

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Report:
    """One model on some tasks."""

    model: str
    made: str  # ISO date and time
    software: str
    results: Sequence[Result]
    left_out: Mapping[str, str] = field(default_factory=dict)  # task -> why
    settings: Mapping[str, str] = field(default_factory=dict)  # what the figures depend on beside the items

    def to_json(self) -> dict[str, Any]:
        """The inverse of `from_json`."""
        fields: dict[str, Any] = _without_nan({"format": FORMAT, **asdict(self)})
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Report:
        """Raises `KeyError`, `TypeError` or `ValueError` for what is no report."""
        if fields["format"] != FORMAT:
            raise ValueError(f"format is {fields['format']!r}; this version reads {FORMAT}")
        rest = {name: value for name, value in fields.items() if name not in ("format", "results")}
        return cls(**rest, results=[_result(one) for one in fields["results"]])


def write_report(report: Report, file: Path) -> None:
    """As JSON, and beside it as Markdown."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report.to_json(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    file.with_suffix(".md").write_text(markdown(report) + "\n", encoding="utf-8")


def read_report(file: Path) -> Report:
    """Raises `ConfigError` that names the file."""
    try:
        return Report.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file} is no report of `owngpt eval run`: {error!r}") from error


def markdown(report: Report) -> str:
    """A table with a line for everybody who answered a task; ✓ marks what is clear of its baselines."""
    about = ", ".join([report.made, report.software, *(f"{name} {value}" for name, value in report.settings.items())])
    lines = [f"# {report.model}", "", about, "", *_table(report.results), ""]
    lines.append("✓ better than every baseline of the task, and the 95% intervals do not overlap.")
    lines += _listed("Not clear of a baseline", [said for result in report.results for said in not_clear(result)])
    lines += _listed("Left out", [f"{task}: {why}" for task, why in report.left_out.items()])
    return "\n".join(lines)


def _listed(title: str, points: Sequence[str]) -> list[str]:
    return ["", f"{title}:", "", *(f"- {point}" for point in points)] if points else []


def shown(figure: Figure) -> str:
    """Three digits and the interval."""
    return f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"


def is_clear(row: Row) -> bool:
    """Whether all baselines are left behind."""
    return bool(row.beside) and all(beside.is_clear for beside in row.beside.values())


def not_clear(result: Result) -> Iterator[str]:
    """What keeps the models of a task from being clear of its baselines."""
    for row in result.rows:
        for name, beside in row.beside.items():
            value, low, high = beside.difference
            how = "better, but the intervals overlap" if beside.is_better else "not better"
            if not beside.is_clear:
                yield f"{result.task}: {row.by} against {name} is {how} ({value:+.3f}, {low:+.3f} to {high:+.3f})"


def _table(results: Sequence[Result]) -> Iterator[str]:
    yield "| task | items | by | figures | |"
    yield "|---|---|---|---|---|"
    for result in results:
        for row in result.rows:
            by = row.by if row.kind != "baseline" else f"*{row.by}*"
            figures = ", ".join(f"{name} {shown(figure)}" for name, figure in row.figures.items())
            yield f"| {result.task} | {result.num_items} | {by} | {figures} | {'✓' if is_clear(row) else ''} |"


def _result(fields: Mapping[str, Any]) -> Result:
    return Result(**{**fields, "rows": [_row(row) for row in fields["rows"]]})


def _without_nan(value: Any) -> Any:
    """JSON has no word for a figure that nothing could be measured by: null."""
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _figure(values: Sequence[float | None]) -> Figure:
    value, low, high = (math.nan if one is None else one for one in values)
    return Figure(value, low, high)


def _row(fields: Mapping[str, Any]) -> Row:
    figures = {name: _figure(value) for name, value in fields["figures"].items()}
    beside = {
        name: Comparison(_figure(difference), is_better, clear)
        for name, (difference, is_better, clear) in fields["beside"].items()
    }
    return Row(fields["by"], fields["kind"], figures, beside)

"""Runs tasks: every answerer on the same items, judged by the same metrics, beside each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from owngpt.evals.stats import Comparison, Figure, compare, figure
from owngpt.evals.task import Answer, Array, Item, Task

Judged = Mapping[str, Array]  # metric -> its row of each item
Kind = Literal["model", "product", "baseline"]


@dataclass(frozen=True, slots=True)
class Row:
    """What one answerer reached: a model, a part of the product (search, support), or a baseline."""

    by: str
    kind: Kind
    figures: Mapping[str, Figure]  # metric -> value
    beside: Mapping[str, Comparison]  # baseline -> by the task's first metric


@dataclass(frozen=True, slots=True)
class Result:
    """Of one task."""

    task: str
    title: str
    title_ja: str
    digest: str
    num_items: int
    seconds: float
    rows: Sequence[Row]
    is_lower_better: bool = False  # by the first metric


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who answers, and how."""

    by: str
    kind: Kind
    answer: Callable[[Sequence[Item]], Sequence[Answer]]


def run_task(task: Task, items: Sequence[Item], contestants: Sequence[Contestant]) -> Result:
    """Let all contestants and the task's baselines answer."""
    start = time.perf_counter()
    baselines = [Contestant(name, "baseline", answer) for name, answer in task.baselines.items()]
    everybody = [*contestants, *(one for one in baselines if one.by not in {other.by for other in contestants})]
    judged = {one.by: _judged(task, items, one.answer(items)) for one in everybody}
    rows = [_row(task, one, judged[one.by], _rivals(one, everybody, judged)) for one in everybody]
    seconds = time.perf_counter() - start
    is_lower_better = task.metrics[0].is_lower_better
    return Result(task.name, task.title, task.title_ja, task.digest(items), len(items), seconds, rows, is_lower_better)


def _judged(task: Task, items: Sequence[Item], answers: Sequence[Answer]) -> Judged:
    return {metric.name: metric.rows(items, answers) for metric in task.metrics}


def _rivals(one: Contestant, everybody: Sequence[Contestant], judged: Mapping[str, Judged]) -> Mapping[str, Judged]:
    """The baselines that it is put beside; none for a baseline."""
    is_rival = one.kind != "baseline"
    return {other.by: judged[other.by] for other in everybody if other.kind == "baseline" and is_rival}


def _row(task: Task, one: Contestant, ours: Judged, rivals: Mapping[str, Judged]) -> Row:
    first = task.metrics[0]
    figures = {metric.name: figure(metric, ours[metric.name]) for metric in task.metrics}
    beside = {name: compare(first, ours[first.name], theirs[first.name]) for name, theirs in rivals.items()}
    return Row(one.by, one.kind, figures, beside)

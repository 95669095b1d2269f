"""Items, metrics, intervals, comparisons, and a run of a scripted model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pytest

from owngpt.evals.completer import answer_all
from owngpt.evals.graders import recall_of
from owngpt.evals.run import Contestant, run_task
from owngpt.evals.stats import compare, figure
from owngpt.evals.task import Answer, Item, Metric, Task, mean
from owngpt.types import Message

RIGHT = mean("right", lambda item, answer: float(answer.text == item.references[0]))
ITEMS = [Item(str(n), (Message("user", f"Say {n}"),), references=(str(n),)) for n in range(40)]


def blank(items: Sequence[Item]) -> list[Answer]:
    return [Answer("") for _ in items]


TASK = Task("echo", "Echo", "反復", (RIGHT,), {"blank": blank}, lambda _: ITEMS, max_tokens=4)


class Parrot:
    """Repeats the last word; prefers short continuations."""

    name, concurrency = "parrot", 3
    about: Mapping[str, str] = MappingProxyType({})

    async def generate(self, item: Item, max_tokens: int, stop: Sequence[str]) -> str:
        return item.messages[-1].content.split()[-1]

    async def loglikelihood(self, item: Item, continuation: str) -> float:
        return -float(len(continuation))


def test_an_item_survives_its_way_through_json() -> None:
    item = Item("1", (Message("user", "Hi"),), "text", "suffix", ("a", "b"), ("c",), 1, {"passage": "p"})
    assert Item.from_json(item.to_json()) == item
    assert Item.from_json(Item("2").to_json()) == Item("2")


def test_a_digest_changes_with_any_prompt_and_with_nothing_else() -> None:
    changed = [*ITEMS[:-1], Item("39", (Message("user", "Say  39"),), references=("39",))]
    assert TASK.digest(ITEMS) == TASK.digest([Item.from_json(item.to_json()) for item in ITEMS])
    assert len({TASK.digest(ITEMS), TASK.digest(ITEMS[:-1]), TASK.digest(changed)}) == 3


@pytest.mark.anyio
async def test_items_are_generated_or_weighed_by_what_they_have() -> None:
    done: list[None] = []
    answers = await answer_all(Parrot(), TASK, [ITEMS[7], Item("w", choices=("a", "bb"))], lambda: done.append(None))
    assert answers == [Answer("7"), Answer(scores=(-1.0, -2.0))]
    assert len(done) == 2


def test_a_run_puts_the_model_beside_its_baselines() -> None:
    result = run_task(TASK, ITEMS, [Contestant("parrot", "model", lambda items: [Answer(i.id) for i in items])])
    model, baseline = result.rows
    assert (model.by, model.figures["right"].value) == ("parrot", 1.0)
    assert (baseline.by, baseline.kind, baseline.figures["right"].value) == ("blank", "baseline", 0.0)
    assert model.beside["blank"].is_clear
    assert result.digest == TASK.digest(ITEMS)


def test_an_interval_has_the_width_that_theory_gives_it() -> None:
    rows = np.array([[float(n % 2)] for n in range(400)])
    value, low, high = figure(RIGHT, rows)
    assert value == 0.5
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / 20, rel=0.15)
    assert figure(RIGHT, rows) == figure(RIGHT, rows)


def test_a_paired_difference_is_surer_than_two_intervals() -> None:
    """One answers 8 of 100 items more than the other, and none less: surely better, though the intervals overlap."""
    theirs = np.array([[float(n < 50)] for n in range(100)])
    ours = np.array([[float(n < 58)] for n in range(100)])
    found = compare(RIGHT, ours, theirs)
    assert found.difference.value == pytest.approx(0.08)
    assert (found.is_better, found.is_clear) == (True, False)
    assert not compare(RIGHT, theirs, ours).is_better


def test_a_class_without_items_has_no_figure() -> None:
    empty = recall_of("recall", lambda item: False, lambda item, answer: 1.0)
    assert all(map(math.isnan, figure(empty, np.zeros((5, 2)))))


def test_lower_is_better_where_the_metric_says_so() -> None:
    bits = Metric("bits", lambda item, answer: (0.0,), lambda rows: float(rows.mean()), is_lower_better=True)
    assert compare(bits, np.ones((9, 1)), np.full((9, 1), 2.0)).is_clear
    assert not compare(bits, np.full((9, 1), 2.0), np.ones((9, 1))).is_better

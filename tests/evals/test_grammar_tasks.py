"""Minimal pairs and sums: how many, how different, always the same."""

from __future__ import annotations

from collections import Counter

import pytest

from owngpt.evals.task import Answer, Item, Task
from owngpt.evals.tasks import arithmetic, grammar
from owngpt.evals.tasks.arithmetic import result_of
from owngpt.evals.tasks.materials import Materials
from owngpt.text.held_out import is_held_out_of


@pytest.mark.parametrize("task", grammar.TASKS, ids=lambda task: task.name)
def test_pairs_are_many_and_no_sentence_is_right_and_wrong(task: Task) -> None:
    items = task.build(Materials())
    assert items == task.build(Materials())
    assert set(Counter(item.fields["phenomenon"] for item in items).values()) == {grammar.PAIRS_EACH}
    assert len(items) == 12 * grammar.PAIRS_EACH
    right, wrong = ({item.choices[side] for item in items} for side in (0, 1))
    assert not right & wrong
    assert all(len(item.choices[0].split(" ")) - len(item.choices[1].split(" ")) in (-1, 0, 1) for item in items)


def test_the_likelier_sentence_is_what_counts_and_a_tie_is_half() -> None:
    task = grammar.TASKS[0]
    metric, items = task.metrics[0], [Item("1", choices=("right", "wrong"))] * 3
    answers = [Answer(scores=scores) for scores in ((-1.0, -2.0), (-2.0, -1.0), (-1.0, -1.0))]
    assert metric.rows(items, answers).tolist() == [[1.0], [0.0], [0.5]]
    assert metric.reduce(metric.rows(items, grammar.chance(items))) == 0.5


def test_sums_are_held_out_and_their_results_are_right() -> None:
    (task,) = arithmetic.TASKS
    items = task.build(Materials())
    assert len(items) == arithmetic.NUM_ITEMS
    worth = {item.id: eval(item.id.replace("×", "*").replace("÷", "/")) for item in items}
    assert all(float(item.references[0]) == worth[item.id] for item in items)
    sums = [item.id.split(" + ") for item in items if item.id.count(" ") == 2 and " + " in item.id]
    assert sums
    assert all(is_held_out_of("steps", "+".join(sorted(parts, key=int))) for parts in sums)
    assert {item.fields["language"] for item in items} == {"en", "ja"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("20 + 3 = 23\n23 + 5 = 28\nThe answer is 28.", "28"),
        ("答えは1,234です。", "1234"),
        ("It makes -7", "-7"),
        ("The answer is 5. Or 6?", "5"),
        ("no idea", None),
    ],
)
def test_the_result_is_read_from_the_last_line(text: str, result: str | None) -> None:
    assert result_of(text) == result

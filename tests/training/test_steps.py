"""Arithmetic that is made here: every line of every solution is checked."""

from __future__ import annotations

import re
from itertools import islice

from owngpt.text.held_out import is_held_out_of
from owngpt.text.prompts import read_final
from owngpt.training.sources.steps import add_steps, multiply_steps, read_steps, subtract_steps

DOCUMENTS = list(islice(read_steps(), 4400))
_EQUATION = re.compile(r"([\d+\-×÷ ]+) = (-?\d+)")


def value(expression: str) -> int:
    """By Python's own arithmetic."""
    found = eval(expression.replace("×", "*").replace("÷", "//"))
    assert isinstance(found, int)
    return found


def test_every_step_is_right() -> None:
    num_equations = 0
    for document in DOCUMENTS:
        for left, right in _EQUATION.findall(document.messages[-1].content):
            assert value(left) == int(right), document
            num_equations += 1
    assert num_equations > 10_000


def test_every_result_is_that_of_its_expression() -> None:
    checked = 0
    for document in DOCUMENTS:
        result = read_final(document.messages[-1].content)
        assert result is not None
        if re.fullmatch(r"[\d+\-×÷ ()]+", document.group):
            assert value(document.group) == int(result)
            checked += 1
        elif "%" in document.group:
            percent, number = document.group.split("%")
            assert int(percent) * int(number) == 100 * int(result)
            checked += 1
    assert checked > 3000


def test_columns_are_written_from_the_ones() -> None:
    assert add_steps(347, 85, "en") == [
        "ones: 7 + 5 = 12, carry 1",
        "tens: 4 + 8 + 1 = 13, carry 1",
        "hundreds: 3 + 0 + 1 = 4",
    ]
    assert add_steps(3, 4, "ja") == ["3 + 4 = 7"]
    assert subtract_steps(302, 47, "ja") == [
        "一の位: 12 - 7 = 5, 1借りる",
        "十の位: 10 - 4 - 1 = 5, 1借りる",
        "百の位: 3 - 0 - 1 = 2",
    ]


def test_columns_make_the_result() -> None:
    for left in range(0, 3000, 37):
        for right in range(0, left + 1, 53):
            for steps, result in (
                (add_steps(left, right, "en"), left + right),
                (subtract_steps(left, right, "en"), left - right),
            ):
                if ":" in steps[0]:
                    last = re.findall(r"= (\d+)", steps[-1])[0]
                    ones = "".join(re.findall(r"= \d*(\d)", line)[0] for line in reversed(steps[:-1]))
                    assert int(last + ones) == result


def test_products_are_made_of_parts() -> None:
    assert multiply_steps(23, 47) == [
        "20 × 40 = 800",
        "3 × 40 = 120",
        "20 × 7 = 140",
        "3 × 7 = 21",
        "800 + 120 + 140 + 21 = 1081",
    ]
    assert multiply_steps(20, 7) == ["20 × 7 = 140"]


def test_operands_are_held_out_in_any_order_and_language() -> None:
    pairs: dict[frozenset[str], set[str]] = {}
    for document in DOCUMENTS:
        if match := re.fullmatch(r"(\d+)([+×])(\d+)", document.group):
            assert int(match[1]) <= int(match[3])
            pairs.setdefault(frozenset(match.groups()), set()).add(document.group)
    assert all(len(groups) == 1 for groups in pairs.values())
    assert 0.03 < sum(is_held_out_of("steps", document.group) for document in DOCUMENTS) / len(DOCUMENTS) < 0.07


def test_half_is_japanese() -> None:
    japanese = sum(document.messages[-1].content.endswith("です。") for document in DOCUMENTS)
    assert japanese == len(DOCUMENTS) // 2

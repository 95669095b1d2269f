"""Which files a filter lets through."""

from __future__ import annotations

import pytest

from owngpt.store.filters import Combination, Comparison, Operator, Scalar

FILE = {"year": 2026.0, "team": "法務", "draft": False, "day": "2026-11-20"}


@pytest.mark.parametrize(
    ("key", "operator", "value", "expected"),
    [
        ("year", "eq", 2026, True),
        ("year", "ne", 2026, False),
        ("year", "gt", 2025.5, True),
        ("year", "gt", 2026, False),
        ("year", "gte", 2026, True),
        ("year", "lt", 2026, False),
        ("year", "lte", 2026, True),
        ("team", "eq", "法務", True),
        ("team", "in", ("人事", "法務"), True),
        ("team", "nin", ("人事", "法務"), False),
        ("team", "nin", (), True),
        ("team", "in", (), False),
        ("day", "gte", "2026-11-01", True),  # ISO dates are in the order of their texts
        ("draft", "eq", False, True),
        ("draft", "eq", 0, False),  # a boolean is no number
        ("year", "eq", "2026", False),
        ("year", "lt", "3000", False),
        ("absent", "eq", 1, False),
        ("absent", "gte", 1, False),
        ("absent", "ne", 1, True),
        ("absent", "nin", (1,), True),
    ],
)
def test_a_comparison(key: str, operator: Operator, value: Scalar | tuple[Scalar, ...], expected: bool) -> None:
    assert Comparison(key, operator, value).matches(FILE) is expected


def test_combinations_nest() -> None:
    recent, legal = Comparison("year", "gte", 2026), Comparison("team", "eq", "法務")
    old, hr = Comparison("year", "lt", 2026), Comparison("team", "eq", "人事")
    assert Combination("and", (recent, legal)).matches(FILE)
    assert not Combination("and", (recent, hr)).matches(FILE)
    assert Combination("or", (old, Combination("and", (recent, legal)))).matches(FILE)
    assert not Combination("or", (old, hr)).matches(FILE)

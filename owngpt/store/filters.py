"""Filters on the attributes of files: comparisons, and how they are combined. OpenAI's meaning, said exactly.

A comparison with an attribute that a file does not have is false, except `ne` and `nin`. Numbers, texts and booleans
are compared with their own kind only: order between two kinds is false, equality too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Scalar = str | float | bool
Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One attribute against a value, or (`in`, `nin`) several."""

    key: str
    operator: Operator
    value: Scalar | tuple[Scalar, ...]

    def matches(self, attributes: Mapping[str, Scalar]) -> bool:
        """Whether a file with these attributes is searched."""
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        found = attributes.get(self.key)
        match self.operator:
            case "eq" | "in":
                return any(_equal(found, value) for value in values)
            case "ne" | "nin":
                return not any(_equal(found, value) for value in values)
            case _:
                return all(_ordered(self.operator, found, value) for value in values)


@dataclass(frozen=True, slots=True)
class Combination:
    """All of several filters, or any of them."""

    operator: Literal["and", "or"]
    filters: tuple[Filter, ...]

    def matches(self, attributes: Mapping[str, Scalar]) -> bool:
        """Whether a file with these attributes is searched."""
        results = (part.matches(attributes) for part in self.filters)
        return all(results) if self.operator == "and" else any(results)


Filter = Comparison | Combination


def _equal(found: Scalar | None, value: Scalar) -> bool:
    return _are_comparable(found, value) and found == value


def _ordered(operator: str, found: Scalar | None, value: Scalar) -> bool:
    if not _are_comparable(found, value):
        return False
    is_less, is_equal = found < value, found == value  # type: ignore[operator]
    match operator:
        case "lt":
            return is_less
        case "lte":
            return is_less or is_equal
        case "gt":
            return not is_less and not is_equal
        case _:
            return not is_less


def _are_comparable(found: Scalar | None, value: Scalar) -> bool:
    """`True` is no number here, although it is one in Python."""
    return found is not None and _kind(found) == _kind(value)


def _kind(value: Scalar) -> str:
    return "bool" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"

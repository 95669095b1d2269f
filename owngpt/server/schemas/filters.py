"""Filters on attributes, from JSON. One that is only half understood would let too much through: all is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast, get_args

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import missing, shown
from owngpt.store.filters import Combination, Comparison, Filter, Operator, Scalar

MAX_DEPTH = 8
MAX_PARTS = 64  # of one combination
MAX_VALUES = 1_000  # that are compared in the whole filter, for each file
_OPERATORS = get_args(Operator)


def read_filter(value: Any, param: str = "filters") -> Filter:
    """OpenAI's `ComparisonFilter` or `CompoundFilter`. Raises `InvalidRequest` with the path of what is wrong."""
    found = _read(value, param, depth=1)
    if (number := _num_values(found)) > MAX_VALUES:
        raise _invalid(param, f"it compares with {number} values, and {MAX_VALUES} are taken")
    return found


def _num_values(part: Filter) -> int:
    if isinstance(part, Combination):
        return sum(map(_num_values, part.filters))
    return len(part.value) if isinstance(part.value, tuple) else 1


def _read(value: Any, param: str, depth: int) -> Filter:
    if not isinstance(value, Mapping):
        raise _invalid(param, f"expected an object, but got {shown(value)} instead")
    if depth > MAX_DEPTH:
        raise _invalid(param, f"filters are nested more than {MAX_DEPTH} deep")
    match value.get("type", "eq"):
        case "and" | "or":
            return _combination(value, param, depth)
        case operator if operator in _OPERATORS:
            return _comparison(value, param)
        case other:
            known = ", ".join(map(repr, ("and", "or", *_OPERATORS)))
            raise _invalid(f"{param}.type", f"{shown(other)} is none of {known}")


def _combination(value: Mapping[str, Any], param: str, depth: int) -> Combination:
    _check_keys(value, ("type", "filters"), param)
    parts = value.get("filters")
    if not isinstance(parts, list) or not 0 < len(parts) <= MAX_PARTS:
        raise _invalid(f"{param}.filters", f"expected an array of 1 to {MAX_PARTS} filters")
    read = (_read(part, f"{param}.filters[{i}]", depth + 1) for i, part in enumerate(parts))
    return Combination(value["type"], tuple(read))


def _comparison(value: Mapping[str, Any], param: str) -> Comparison:
    _check_keys(value, ("type", "key", "value"), param)
    for name in ("key", "value"):
        if name not in value:
            raise missing(f"{param}.{name}")
    operator, key, against = value.get("type", "eq"), value["key"], value["value"]
    if not isinstance(key, str):
        raise _invalid(f"{param}.key", f"expected a string, but got {shown(key)} instead")
    if operator in ("in", "nin"):
        if not isinstance(against, list):
            raise _invalid(f"{param}.value", f"{operator!r} takes an array, but got {shown(against)} instead")
        scalars = tuple(_scalar(one, f"{param}.value[{i}]") for i, one in enumerate(against))
        return Comparison(key, cast(Operator, operator), scalars)
    return Comparison(key, cast(Operator, operator), _scalar(against, f"{param}.value"))


def _scalar(value: Any, param: str) -> Scalar:
    if isinstance(value, (str, bool)):
        return value
    if (isinstance(value, int) and abs(value) < 2**63) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise _invalid(param, f"expected a string, a number or a boolean, but got {shown(value)} instead")


def _check_keys(value: Mapping[str, Any], known: tuple[str, ...], param: str) -> None:
    for name in value:
        if name not in known:
            raise InvalidRequest(
                f"Unknown parameter: '{param}.{name[:64]}'.", param=f"{param}.{name[:64]}", code="unknown_parameter"
            )


def _invalid(param: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid {param!r}: {message}.", param=param, code="invalid_value")

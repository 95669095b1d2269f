"""What the query string of a usage or costs operation asks for."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.datastructures import QueryParams

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import missing, shown
from owngpt.store.usage_totals import UsageFilter

WIDTHS = {"1m": 60, "1h": 3600, "1d": 86_400}
LIMITS = {"1m": (60, 1440), "1h": (24, 168), "1d": (7, 31)}  # default and most buckets of a page
MAX_TIME = 2**40
MAX_IDS = 1000
BATCH = "CASE WHEN tier = 'batch' THEN 1 ELSE 0 END"
COLUMNS: Mapping[str, str] = {  # group_by -> what it is in SQL
    "project_id": "project_id",
    "user_id": "user_id",
    "api_key_id": "key_id",
    "model": "model",
    "batch": BATCH,
    "service_tier": "tier",
    "vector_store_id": "vector_store_id",
}
FILTERS: Mapping[str, str] = {  # parameter -> column
    "project_ids": "project_id",
    "user_ids": "user_id",
    "api_key_ids": "key_id",
    "models": "model",
    "vector_store_ids": "vector_store_id",
}


@dataclass(frozen=True, slots=True)
class Choices:
    """What one operation lets a caller choose."""

    group_by: Sequence[str] = ("project_id",)
    filters: Sequence[str] = ("project_ids",)  # lists of ids
    others: Mapping[str, Sequence[str]] = field(default_factory=dict)  # lists of values that cannot occur here
    widths: Sequence[str] = ("1m", "1h", "1d")
    limit: tuple[int, int] | None = None  # default and most; None: what belongs to the width
    has_batch: bool = False


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """A page of buckets: they begin at `starts`, and each ends where the next one begins, the last one at `end`."""

    starts: Sequence[int]
    end: int
    width: int
    group_by: Sequence[str]
    ids: Mapping[str, Sequence[str]]  # column -> values
    is_batch: bool | None
    next_page: str | None

    def filter(self, organization_id: str, *kinds: str) -> UsageFilter:
        """The same for the database."""
        return UsageFilter(organization_id, kinds, self.starts[0], self.end, self.width, self.ids, self.is_batch)

    def columns(self) -> list[str]:
        """What it is grouped by, in SQL."""
        return [COLUMNS[name] for name in self.group_by]


def usage_query(params: QueryParams, choices: Choices, now: float | None = None) -> UsageQuery:
    """Raises `InvalidRequest` that names the parameter."""
    bucket = _one_of(params, "bucket_width", choices.widths, "1d")
    width, (default, most) = WIDTHS[bucket], choices.limit or LIMITS[bucket]
    start, end = _span(params, width, time.time() if now is None else now)
    limit = _number(params, "limit", 1, most, default)
    for name, values in choices.others.items():
        _each_of(params, name, values)
    first = _page(params, start, end)
    starts = _starts(first, end, width, limit + 1)
    query = UsageQuery(
        starts[:limit],
        starts[limit] if len(starts) > limit else end,
        width,
        list(dict.fromkeys(_each_of(params, "group_by", choices.group_by))),
        {FILTERS[name]: ids for name in choices.filters if (ids := _ids(params, name))},
        _boolean(params, "batch") if choices.has_batch else None,
        None,
    )
    return replace(query, next_page=f"page_{starts[limit]}") if len(starts) > limit else query


def unknown_parameters(params: QueryParams, choices: Choices) -> list[str]:
    """What nothing here reads."""
    known = {"start_time", "end_time", "bucket_width", "group_by", "limit", "page", *choices.filters, *choices.others}
    known |= {"batch"} if choices.has_batch else set()
    return [name for name in dict.fromkeys(params.keys()) if name.removesuffix("[]") not in known]


def _span(params: QueryParams, width: int, now: float) -> tuple[int, int]:
    """From when to when; without an end up to the end of the bucket that we are in."""
    start = _number(params, "start_time", 0, MAX_TIME, None)
    if start is None:
        raise missing("start_time")
    until_now = max(int(now) // width * width + width, start + 1)
    end = _number(params, "end_time", 0, MAX_TIME, until_now)
    if end <= start:
        raise _invalid("end_time", end, f"a time after start_time ({start})")
    return start, end


def _starts(first: int, end: int, width: int, limit: int) -> list[int]:
    """Where buckets begin: at `first`, and then at whole multiples of their width."""
    second = first - first % width + width
    return [first, *range(second, min(end, second + (limit - 1) * width), width)]


def _page(params: QueryParams, start: int, end: int) -> int:
    """Where the page begins."""
    text = params.get("page")
    if text is None:
        return start
    if not re.fullmatch(r"page_[0-9]{1,13}", text) or not start < int(text[5:]) < end:
        raise _invalid("page", text, "the next_page of an earlier answer to the same query")
    return int(text[5:])


def _values(params: QueryParams, name: str) -> list[str]:
    """Of a list, in each of the ways in which clients write lists."""
    return [*params.getlist(name), *params.getlist(f"{name}[]")]


def _ids(params: QueryParams, name: str) -> list[str]:
    values = _values(params, name)
    if len(values) > MAX_IDS:
        raise _invalid(name, f"{len(values)} values", f"at most {MAX_IDS}")
    return values


def _each_of(params: QueryParams, name: str, known: Sequence[str]) -> list[str]:
    values = _values(params, name)
    for value in values:
        if value not in known:
            raise _unsupported(name, value, known)
    return values


def _one_of(params: QueryParams, name: str, known: Sequence[str], default: str) -> str:
    value = params.get(name, default)
    if value not in known:
        raise _unsupported(name, value, known)
    return value


def _boolean(params: QueryParams, name: str) -> bool | None:
    value = params.get(name)
    if value is None:
        return None
    if value not in ("true", "false"):
        raise _unsupported(name, value, ("true", "false"))
    return value == "true"


def _number(params: QueryParams, name: str, least: int, most: int, default: Any) -> Any:
    text = params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,15}", text) or not least <= int(text) <= most:
        raise _invalid(name, text, f"an integer from {least} to {most}")
    return int(text)


def _invalid(name: str, value: object, expected: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid {name!r}: expected {expected}, but got {shown(value)} instead.", param=name, code="invalid_value"
    )


def _unsupported(name: str, value: str, known: Sequence[str]) -> InvalidRequest:
    values = ", ".join(map(repr, known))
    return InvalidRequest(
        f"Invalid value for {name!r}: {shown(value)}. Supported values are: {values}.", param=name, code="invalid_value"
    )

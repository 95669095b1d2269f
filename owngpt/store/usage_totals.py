"""Sums over usage events, by bucket of time and whatever else is asked for. The database does the adding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from owngpt.store.db import Database, Row, Value

DAY = 86_400
FOREVER = 2**62  # the width of a bucket that holds everything
GroupKey = tuple[Any, ...]  # values of the columns that are grouped by, in order


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which events of an organization are asked for: from `start` up to `end`, in buckets of `width` seconds.

    Buckets begin at whole multiples of their width since 1970, which is midnight UTC for days.
    """

    organization_id: str
    kinds: Sequence[str]
    start: int
    end: int
    width: int
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)  # column -> values; an empty list chooses none
    is_batch: bool | None = None  # None: both

    def where(self) -> tuple[str, list[Value]]:
        """The condition and its parameters."""
        conditions = ["organization_id = ?", "created_at >= ?", "created_at < ?"]
        values: list[Value] = [self.organization_id, self.start, self.end]
        for column, chosen in {"kind": self.kinds, **self.columns}.items():
            conditions.append(f"{column} IN ({', '.join('?' for _ in chosen)})" if chosen else "1 = 0")
            values += chosen
        if self.is_batch is not None:
            conditions.append("tier = 'batch'" if self.is_batch else "tier <> 'batch'")
        return " AND ".join(conditions), values


class Total(NamedTuple):
    """The sums of one group in one bucket."""

    bucket: int  # its first second, as a whole multiple of its width
    group: GroupKey
    sums: Mapping[str, int]


SUMS = (
    "num_requests",
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "bytes",
    "input_cost",
    "cached_cost",
    "output_cost",
)


def totals(db: Database, asked: UsageFilter, group_by: Sequence[str] = ()) -> list[Total]:
    """By bucket and the columns (our own SQL, never a caller's text) of `group_by`, in this order.

    Each day is a query of its own, so that other readers need not wait for all of them.
    """
    return [total for day in _days(asked) for total in _totals(db, day, group_by)]


def _days(asked: UsageFilter) -> Iterator[UsageFilter]:
    """The same in pieces, none of which divides a bucket."""
    start = asked.start
    while start < asked.end:
        end = min(asked.end, start - start % DAY + DAY) if asked.width <= DAY else asked.end
        yield replace(asked, start=start, end=end)
        start = end


def _totals(db: Database, asked: UsageFilter, group_by: Sequence[str]) -> list[Total]:
    where, values = asked.where()
    bucket = f"created_at / {asked.width}"
    keys = ", ".join([bucket, *group_by])
    sums = ", ".join(f"SUM({name}) AS sum_{name}" for name in SUMS)
    names = "".join(f", {expression} AS key_{number}" for number, expression in enumerate(group_by))
    rows = db.read(
        f"SELECT {bucket} AS bucket{names}, {sums} FROM usage_events WHERE {where} GROUP BY {keys} ORDER BY {keys}",
        values,
    )
    return [_total(row, asked.width, len(group_by)) for row in rows]


def _total(row: Row, width: int, num_keys: int) -> Total:
    group = tuple(row[f"key_{number}"] for number in range(num_keys))
    return Total(int(row["bucket"]) * width, group, {name: int(row[f"sum_{name}"]) for name in SUMS})


def stored_bytes(db: Database, asked: UsageFilter, starts: Sequence[int], group_by: Sequence[str]) -> list[Total]:
    """What vector stores hold at the end of each bucket: the sum of all changes until then."""
    changes: defaultdict[int, dict[GroupKey, int]] = defaultdict(dict)
    before = replace(asked, start=0, end=asked.start, width=FOREVER)
    levels = {total.group: total.sums["bytes"] for total in totals(db, before, group_by)}
    for total in totals(db, asked, group_by):
        changes[total.bucket][total.group] = total.sums["bytes"]
    found = []
    for start in starts:
        bucket = start - start % asked.width
        for group, change in changes[bucket].items():
            levels[group] = levels.get(group, 0) + change
        found += [Total(bucket, group, {"bytes": level}) for group, level in sorted(levels.items()) if level]
    return found


def byte_seconds(db: Database, organization_id: str, start: int, end: int) -> dict[str, int]:
    """How many bytes each project has held for how many seconds between the two times."""
    rows = db.read(
        "SELECT project_id, SUM(bytes * (? - CASE WHEN created_at > ? THEN created_at ELSE ? END)) AS amount"
        " FROM usage_events WHERE organization_id = ? AND kind = 'vector_stores' AND created_at < ?"
        " GROUP BY project_id",
        (end, start, start, organization_id, end),
    )
    return {row["project_id"]: int(row["amount"]) for row in rows}

"""One page of a list, as all list operations cut it: by the id of a neighbour, in order of time.

Pages stay true while rows are added: a cursor is a place between rows, not a count of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from owngpt.errors import InvalidRequest
from owngpt.store.db import Database, Row, Value


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is asked for. `after` and `before` are ids of rows that are not part of it."""

    after: str | None = None
    before: str | None = None
    limit: int = 20
    order: Literal["asc", "desc"] = "desc"


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in the order that was asked for; `has_more`: there are others in the direction of reading."""

    rows: list[Row]
    has_more: bool


def page_of(
    db: Database,
    table: str,
    columns: str,
    where: str,
    params: Sequence[Value],
    page: PageRequest,
    sort: str = "created_at",
) -> Page:
    """The rows of `table` that fulfil `where`, sorted by `sort` and then by id, as far as `page` asks for them.

    `table` (also a join), `columns`, `where` and `sort` are our own SQL, never a caller's text; unless a join makes
    it ambiguous, rows have a column `id`. With `before` alone, the rows nearest to it are taken.
    Raises `InvalidRequest` for a cursor that is no row of this list.
    """
    is_backward = page.before is not None and page.after is None
    ascends = (page.order == "asc") != is_backward
    bounds, values = [f"({where})"], list(params)
    for name, cursor in (("after", page.after), ("before", page.before)):
        if cursor is not None:
            sign = ">" if (page.order == "asc") == (name == "after") else "<"
            bounds.append(f"({sort}, id) {sign} (?, ?)")
            values += [_place(db, table, where, params, sort, name, cursor), cursor]
    way = "ASC" if ascends else "DESC"
    rows = db.read(
        f"SELECT {columns} FROM {table} WHERE {' AND '.join(bounds)} ORDER BY {sort} {way}, id {way} LIMIT ?",
        (*values, page.limit + 1),
    )
    kept = rows[: page.limit]
    return Page(kept[::-1] if is_backward else kept, has_more=len(rows) > page.limit)


def _place(db: Database, table: str, where: str, params: Sequence[Value], sort: str, name: str, cursor: str) -> Value:
    """The value by which the cursor's row is sorted."""
    rows = db.read(f"SELECT {sort} AS place FROM {table} WHERE ({where}) AND id = ?", (*params, cursor))
    if not rows:
        raise InvalidRequest(
            f"Invalid value for {name!r}: {cursor[:60]!r} is not in this list (any more).",
            param=name,
            code="invalid_value",
        )
    place: Value = rows[0]["place"]
    return place

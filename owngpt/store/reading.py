"""Reading one row of an organization's objects, inside a transaction or outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from owngpt.errors import NotFound
from owngpt.store.db import Row, Value

Read = Callable[[str, Sequence[Value]], list[Row]]  # `database.read`, or `transaction.execute`


def one(read: Read, sql: str, parameters: Sequence[Value], kind: str, shown_id: str) -> Row:
    """The only row. Raises `NotFound` in OpenAI's words."""
    rows = read(sql, parameters)
    if not rows:
        raise no_such(kind, shown_id)
    return rows[0]


def no_such(kind: str, shown_id: str) -> NotFound:
    """For an id that is unknown here, whether or not it is another's."""
    return NotFound(f"No such {kind} object: {shown_id[:200]}", param="id")


def is_there(read: Read, sql: str, parameters: Sequence[Value]) -> bool:
    """Whether the query finds a row."""
    return bool(read(sql, parameters))

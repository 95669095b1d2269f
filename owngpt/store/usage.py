"""Usage events: what each request cost, written once and never changed."""

from __future__ import annotations

import calendar
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal

from owngpt.store.db import Database, Transaction, Value
from owngpt.store.spend import Triggered, add_costs

Kind = Literal["completions", "embeddings", "file_search_calls", "vector_stores", "vector_store_storage"]


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One request. Cached tokens, and those written to the cache, are a part of the input's; reasoning of the output's.

    `bytes` is by how much the vector stores of the project have grown (below 0: shrunk). Costs are whole 1e-9 parts
    of the currency unit.
    """

    id: str
    request_id: str
    organization_id: str
    project_id: str
    key_id: str
    user_id: str | None
    kind: str
    model: str | None  # as the caller named it
    tier: str
    vector_store_id: str | None
    created_at: int  # Unix seconds: when it was admitted
    outcome: str = ""  # stop, length, error, abort, rejected, or crash
    num_requests: int = 1
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    bytes: int = 0
    input_cost: int = 0  # of tokens that were not cached, of calls, or of storage
    cached_cost: int = 0
    output_cost: int = 0

    @property
    def cost(self) -> int:
        return self.input_cost + self.cached_cost + self.output_cost


COLUMNS = tuple(field.name for field in fields(UsageEvent))
_INSERT = (
    f"INSERT INTO usage_events ({', '.join(COLUMNS)}) VALUES ({', '.join('?' for _ in COLUMNS)})"
    " ON CONFLICT (id) DO NOTHING RETURNING id"
)


def values_of(event: UsageEvent) -> list[Value]:
    """In the order of `COLUMNS`."""
    return [getattr(event, name) for name in COLUMNS]


class UsageEvents:
    """The usage of all organizations."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, events: Iterable[UsageEvent]) -> list[Triggered]:
        """All of them in one commit, with the sums of their costs; -> the alerts that these costs trigger.

        An event that is there already, by its id, changes nothing.
        """
        with self._db.write() as transaction:
            return add_events(transaction, events)


def add_events(transaction: Transaction, events: Iterable[UsageEvent]) -> list[Triggered]:
    """Likewise, inside a transaction of the caller's."""
    costs: defaultdict[tuple[str, str, int], int] = defaultdict(int)
    for event in events:
        if transaction.execute(_INSERT, values_of(event)):
            costs[event.organization_id, event.project_id, month_of(event.created_at)] += event.cost
    return [
        triggered
        for (organization_id, project_id, month), cost in sorted(costs.items())
        for triggered in (add_costs(transaction, organization_id, project_id, month, cost) if cost else ())
    ]


def void_events(transaction: Transaction, project_id: str, request_id: str) -> int:
    """Take back what a request has cost whose answer was lost together with the server, and that runs again for
    nothing; -> how many events that were."""
    sql = f"DELETE FROM usage_events WHERE project_id = ? AND request_id = ? RETURNING {', '.join(COLUMNS)}"
    events = [UsageEvent(**row) for row in transaction.execute(sql, (project_id, request_id))]
    for event in events:
        add_costs(transaction, event.organization_id, project_id, month_of(event.created_at), -event.cost)
    return len(events)


def add_stored_bytes(transaction: Transaction, project_id: str, vector_store_id: str, change: int) -> None:
    """A vector store has grown, or (below 0) shrunk: noted in the transaction that makes it so, and no other."""
    if change:
        transaction.execute(
            "INSERT INTO usage_events (id, request_id, organization_id, project_id, key_id, kind, tier,"
            " vector_store_id, created_at, outcome, num_requests, input_tokens, cached_tokens, cache_write_tokens,"
            " output_tokens, reasoning_tokens, bytes, input_cost, cached_cost, output_cost)"
            " SELECT ?, '', organization_id, id, '', 'vector_stores', 'default', ?, ?, 'stop', 0, 0, 0, 0, 0, 0, ?, 0,"
            " 0, 0 FROM projects WHERE id = ?",
            (f"use_{secrets.token_hex(16)}", vector_store_id, int(time.time()), change, project_id),
        )


def month_of(seconds: float) -> int:
    """The first second of the calendar month (UTC)."""
    when = time.gmtime(seconds)
    return calendar.timegm((when.tm_year, when.tm_mon, 1, 0, 0, 0))

"""What a month has cost so far, the limits on that, and the alerts. Costs are whole 1e-9 parts of the currency unit."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from owngpt.errors import NotFound
from owngpt.store.db import Database, Row, Transaction
from owngpt.store.paging import PageRequest, page_of
from owngpt.store.reading import Read, one

CENT = 10_000_000  # in 1e-9 parts of the currency unit
ORGANIZATION = ""  # as a project's id: the whole organization


class Triggered(NamedTuple):
    """An alert whose threshold a month's costs have reached."""

    alert_id: str
    organization_id: str
    project_id: str  # ORGANIZATION: that of the whole
    threshold_amount: int  # cents
    cost: int


class Standing(NamedTuple):
    """What a month has cost, and the limit on it."""

    cost: int
    limit: int | None  # None: there is none

    @property
    def is_exhausted(self) -> bool:
        return self.limit is not None and self.cost >= self.limit


@dataclass(frozen=True, slots=True)
class SpendAlert:
    """To be told once in a month when its costs reach the threshold."""

    id: str
    organization_id: str
    project_id: str  # ORGANIZATION: that of the whole
    threshold_amount: int  # cents
    recipients: tuple[str, ...]
    subject_prefix: str | None
    created_at: int
    triggered_at: int | None  # Unix seconds: the last time


def add_costs(
    transaction: Transaction, organization_id: str, project_id: str, month: int, cost: int
) -> list[Triggered]:
    """Add to a month's sum; -> the alerts of project and organization that it triggers."""
    transaction.execute(
        "INSERT INTO monthly_costs (organization_id, project_id, month, cost) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (organization_id, project_id, month) DO UPDATE SET cost = monthly_costs.cost + excluded.cost",
        (organization_id, project_id, month, cost),
    )
    return [
        triggered
        for owner in (project_id, ORGANIZATION)
        for triggered in _trigger(transaction, organization_id, owner, month)
    ]


def _trigger(transaction: Transaction, organization_id: str, project_id: str, month: int) -> list[Triggered]:
    where, values = _owned(organization_id, project_id)
    [sums] = transaction.execute(_SUM.format(where=where), (*values, month))
    total = int(sums["cost"])
    alerts = transaction.execute(
        "SELECT id, threshold_amount FROM spend_alerts WHERE organization_id = ? AND project_id = ?"
        " AND threshold_amount <= ?"
        " AND NOT EXISTS (SELECT 1 FROM spend_alert_events WHERE alert_id = spend_alerts.id AND month = ?)",
        (organization_id, project_id, total // CENT, month),
    )
    for alert in alerts:
        transaction.execute(
            "INSERT INTO spend_alert_events (alert_id, month, cost, created_at) VALUES (?, ?, ?, ?)",
            (alert["id"], month, total, int(time.time())),
        )
    return [Triggered(alert["id"], organization_id, project_id, alert["threshold_amount"], total) for alert in alerts]


_SUM = "SELECT COALESCE(SUM(cost), 0) AS cost FROM monthly_costs WHERE {where} AND month = ?"


def _owned(organization_id: str, project_id: str) -> tuple[str, tuple[str, ...]]:
    """A condition on rows of costs, and its parameters."""
    if project_id == ORGANIZATION:
        return "organization_id = ?", (organization_id,)
    return "organization_id = ? AND project_id = ?", (organization_id, project_id)


def standing_of(read: Read, organization_id: str, project_id: str, month: int) -> Standing:
    """Where the costs of a month stand; those of the whole organization where `project_id` is ORGANIZATION."""
    where, values = _owned(organization_id, project_id)
    [sums] = read(_SUM.format(where=where), (*values, month))
    cents = limit_of(read, organization_id, project_id)
    return Standing(int(sums["cost"]), None if cents is None else cents * CENT)


def limit_of(read: Read, organization_id: str, project_id: str) -> int | None:
    """In cents; None: there is none."""
    rows = read(
        "SELECT threshold_amount FROM spend_limits WHERE organization_id = ? AND project_id = ?",
        (organization_id, project_id),
    )
    return int(rows[0]["threshold_amount"]) if rows else None


def set_limit(transaction: Transaction, organization_id: str, project_id: str, cents: int) -> None:
    """Set or replace it."""
    transaction.execute(
        "INSERT INTO spend_limits (organization_id, project_id, threshold_amount, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (organization_id, project_id) DO UPDATE SET threshold_amount = excluded.threshold_amount",
        (organization_id, project_id, cents, int(time.time())),
    )


def delete_limit(transaction: Transaction, organization_id: str, project_id: str) -> None:
    """Raises `NotFound` if there is none."""
    owner = (organization_id, project_id)
    where = "organization_id = ? AND project_id = ?"
    if not transaction.execute(f"DELETE FROM spend_limits WHERE {where} RETURNING threshold_amount", owner):
        raise no_limit()


def no_limit() -> NotFound:
    """Where one is asked for."""
    return NotFound("No spend limit is set", param="spend_limit")


def add_alert(
    transaction: Transaction,
    organization_id: str,
    project_id: str,
    cents: int,
    recipients: Sequence[str],
    subject_prefix: str | None,
) -> SpendAlert:
    """A new alert. If the month's costs are above it already, the next costs trigger it."""
    now, alert_id = int(time.time()), f"alert_{secrets.token_hex(16)}"
    transaction.execute(
        "INSERT INTO spend_alerts (id, organization_id, project_id, threshold_amount, recipients, subject_prefix,"
        " created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (alert_id, organization_id, project_id, cents, json.dumps(list(recipients)), subject_prefix, now),
    )
    return SpendAlert(alert_id, organization_id, project_id, cents, tuple(recipients), subject_prefix, now, None)


def update_alert(transaction: Transaction, former: SpendAlert, alert: SpendAlert) -> None:
    """Write threshold, recipients and prefix. With a new threshold it can be triggered once more this month."""
    transaction.execute(
        "UPDATE spend_alerts SET threshold_amount = ?, recipients = ?, subject_prefix = ? WHERE id = ?",
        (alert.threshold_amount, json.dumps(list(alert.recipients)), alert.subject_prefix, alert.id),
    )
    if former.threshold_amount != alert.threshold_amount:
        transaction.execute("DELETE FROM spend_alert_events WHERE alert_id = ?", (alert.id,))


def delete_alert(transaction: Transaction, alert: SpendAlert) -> None:
    """And what is known of when it was triggered."""
    transaction.execute("DELETE FROM spend_alert_events WHERE alert_id = ?", (alert.id,))
    transaction.execute("DELETE FROM spend_alerts WHERE id = ?", (alert.id,))


def find_alert(read: Read, organization_id: str, project_id: str, alert_id: str) -> SpendAlert:
    """Raises `NotFound`."""
    sql = f"SELECT {_ALERT} FROM spend_alerts WHERE organization_id = ? AND project_id = ? AND id = ?"
    return _alert(one(read, sql, (organization_id, project_id, alert_id), "SpendAlert", alert_id))


def alerts_of(db: Database, organization_id: str, project_id: str, page: PageRequest) -> tuple[list[SpendAlert], bool]:
    """A page of them, and whether there are more."""
    where = "organization_id = ? AND project_id = ?"
    found = page_of(db, "spend_alerts", _ALERT, where, (organization_id, project_id), page)
    return [_alert(row) for row in found.rows], found.has_more


_ALERT = (
    "id, organization_id, project_id, threshold_amount, recipients, subject_prefix, created_at,"
    " (SELECT MAX(created_at) FROM spend_alert_events WHERE alert_id = spend_alerts.id) AS triggered_at"
)


def _alert(row: Row) -> SpendAlert:
    return SpendAlert(**{**row, "recipients": tuple(json.loads(row["recipients"]))})

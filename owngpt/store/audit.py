"""The audit log: what was changed in the organization, by whom, from where. Rows are only ever added.

An entry is written in the transaction of what it tells of, so there is never one without the other.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from owngpt.store.db import Database, Row, Transaction, Value
from owngpt.store.paging import Page, PageRequest, page_of


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted: a key, with the user or service account that it belongs to, if any."""

    key_id: str | None = None
    owner_id: str | None = None
    email: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict)  # as on the wire; empty: nobody that is known


@dataclass(frozen=True, slots=True)
class Event:
    """What happened: OpenAI's type, the object, and the details as on the wire."""

    type: str
    resource_id: str | None
    details: Mapping[str, Any]
    project_id: str | None = None
    project_name: str | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are asked for; an empty list does not choose."""

    since: int | None = None  # Unix seconds, inclusive
    until: int | None = None  # exclusive
    project_ids: Sequence[str] = ()
    types: Sequence[str] = ()
    actor_ids: Sequence[str] = ()  # of keys, users and service accounts
    emails: Sequence[str] = ()
    resource_ids: Sequence[str] = ()


def append(transaction: Transaction, organization_id: str, actor: Actor, event: Event) -> None:
    """Add an entry, as of now."""
    transaction.execute(
        "INSERT INTO audit_logs (id, organization_id, type, effective_at, project_id, project_name, key_id, owner_id,"
        " email, resource_id, actor, event) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            f"audit_log-{time.time_ns():016x}{secrets.token_hex(4)}",  # in order, also within a second
            organization_id,
            event.type,
            int(time.time()),
            event.project_id,
            event.project_name,
            actor.key_id,
            actor.owner_id,
            actor.email,
            event.resource_id,
            json.dumps(actor.document),
            json.dumps(event.details),
        ),
    )


def page(db: Database, organization_id: str, chosen: AuditFilter, request: PageRequest) -> Page:
    """Entries, by their time."""
    conditions, values = ["organization_id = ?"], [organization_id]
    _bound(conditions, values, "effective_at >= ?", chosen.since)
    _bound(conditions, values, "effective_at < ?", chosen.until)
    _among(conditions, values, ("project_id",), chosen.project_ids)
    _among(conditions, values, ("type",), chosen.types)
    _among(conditions, values, ("key_id", "owner_id"), chosen.actor_ids)
    _among(conditions, values, ("email",), chosen.emails)
    _among(conditions, values, ("resource_id",), chosen.resource_ids)
    return page_of(db, "audit_logs", "*", " AND ".join(conditions), values, request, sort="effective_at")


def document(row: Row) -> dict[str, Any]:
    """One entry as on the wire."""
    entry: dict[str, Any] = {"id": row["id"], "type": row["type"], "effective_at": row["effective_at"]}
    if row["project_id"] is not None:
        entry["project"] = {"id": row["project_id"], "name": row["project_name"]}
    return entry | {"actor": json.loads(row["actor"]) or None, row["type"]: json.loads(row["event"])}


def _bound(conditions: list[str], values: list[Any], sql: str, value: Value) -> None:
    if value is not None:
        conditions.append(sql)
        values.append(value)


def _among(conditions: list[str], values: list[Any], columns: Sequence[str], wanted: Sequence[str]) -> None:
    if wanted:
        marks = ", ".join("?" for _ in wanted)
        conditions.append("(" + " OR ".join(f"{column} IN ({marks})" for column in columns) + ")")
        values += [*wanted] * len(columns)

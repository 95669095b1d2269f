"""The audit log at the database: in order, and only ever added to."""

from __future__ import annotations

import pytest

from owngpt.store import audit
from owngpt.store.db import Database
from owngpt.store.paging import PageRequest
from owngpt.store.projects import Projects


@pytest.fixture
def organization_id(database: Database) -> str:
    return Projects(database).ensure().organization_id


def add(database: Database, organization_id: str, number: int) -> None:
    event = audit.Event("project.created", f"proj_{number}", {"id": f"proj_{number}"})
    with database.write() as transaction:
        audit.append(transaction, organization_id, audit.Actor(), event)


def test_entries_of_one_second_are_in_order(database: Database, organization_id: str) -> None:
    for number in range(20):
        add(database, organization_id, number)
    page = audit.page(database, organization_id, audit.AuditFilter(), PageRequest(limit=100, order="asc"))
    assert [row["resource_id"] for row in page.rows] == [f"proj_{number}" for number in range(20)]
    assert audit.document(page.rows[3])["actor"] is None


def test_entries_of_another_organization_are_not_seen(database: Database, organization_id: str) -> None:
    add(database, organization_id, 1)
    assert audit.page(database, "org-other", audit.AuditFilter(), PageRequest()).rows == []


@pytest.mark.parametrize("statement", ["UPDATE audit_logs SET type = 'nothing'", "DELETE FROM audit_logs"])
def test_the_database_itself_refuses_to_change_an_entry(
    database: Database, organization_id: str, statement: str
) -> None:
    add(database, organization_id, 1)
    with pytest.raises(Exception, match="the audit log is only ever added to"), database.write() as transaction:
        transaction.execute(statement)
    page = audit.page(database, organization_id, audit.AuditFilter(), PageRequest())
    assert [row["type"] for row in page.rows] == ["project.created"]

"""Organizations and projects: who owns keys, and later files, usage and the rest."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from owngpt.errors import InvalidRequest
from owngpt.store.db import Database, Row, Transaction

DEFAULT = "default"
MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class Project:
    """The unit of isolation: what one project stores or caches, another never sees."""

    id: str
    organization_id: str
    name: str
    created_at: int  # Unix seconds


class Projects:
    """The projects of the default organization. Organization and default project are made when first asked for."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def ensure(self, name: str = DEFAULT) -> Project:
        """The project of that name, made now if there is none."""
        checked = check_name(name)
        with self._db.write() as transaction:
            return _find(transaction, checked) or _insert(transaction, checked)

    def list(self) -> list[Project]:
        return [_project(row) for row in self._db.read("SELECT * FROM projects ORDER BY created_at, id")]


def check_name(name: str) -> str:
    """A name that people give: trimmed, 1 to 128 printable characters. Raises `InvalidRequest`."""
    trimmed = name.strip()
    if not 0 < len(trimmed) <= MAX_NAME or not trimmed.isprintable():
        raise InvalidRequest(f"name is {name!r}; it takes 1 to {MAX_NAME} printable characters", param="name")
    return trimmed


def _find(transaction: Transaction, name: str) -> Project | None:
    rows = transaction.execute("SELECT * FROM projects WHERE name = ?", (name,))
    return _project(rows[0]) if rows else None


def _insert(transaction: Transaction, name: str) -> Project:
    project = Project(f"proj_{secrets.token_hex(12)}", _organization_id(transaction), name, int(time.time()))
    transaction.execute(
        "INSERT INTO projects (id, organization_id, name, created_at) VALUES (?, ?, ?, ?)",
        (project.id, project.organization_id, project.name, project.created_at),
    )
    return project


def _organization_id(transaction: Transaction) -> str:
    rows = transaction.execute("SELECT id FROM organizations WHERE name = ?", (DEFAULT,))
    if rows:
        return str(rows[0]["id"])
    organization_id = f"org-{secrets.token_hex(12)}"
    transaction.execute(
        "INSERT INTO organizations (id, name, created_at) VALUES (?, ?, ?)",
        (organization_id, DEFAULT, int(time.time())),
    )
    return organization_id


def _project(row: Row) -> Project:
    return Project(row["id"], row["organization_id"], row["name"], row["created_at"])

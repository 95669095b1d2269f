"""Organizations and projects: who owns keys, files, usage and the rest."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from owngpt.errors import Conflict, InvalidRequest
from owngpt.store.db import Database, Row, Transaction
from owngpt.store.names import check_name
from owngpt.store.reading import Read, is_there, one

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Project:
    """The unit of isolation: what one project stores or caches, another never sees."""

    id: str
    organization_id: str
    name: str
    created_at: int  # Unix seconds
    archived_at: int | None = None


class Projects:
    """The projects of the default organization. Organization and default project are made when first asked for."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def ensure(self, name: str = DEFAULT) -> Project:
        """The project of that name, made now if there is none. Raises `InvalidRequest` if it was archived."""
        checked = check_name(name)
        with self._db.write() as transaction:
            project = _find(transaction, checked) or _insert(transaction, organization_id(transaction), checked)
        return check_active(project)

    def list(self) -> list[Project]:
        """All of them, also archived ones, oldest first."""
        return [project_of(row) for row in self._db.read("SELECT * FROM projects ORDER BY created_at, id")]


def organization_id(transaction: Transaction) -> str:
    """Of the one organization of this server, which is made now if there is none."""
    rows = transaction.execute("SELECT id FROM organizations WHERE name = ?", (DEFAULT,))
    if rows:
        return str(rows[0]["id"])
    new_id = f"org-{secrets.token_hex(12)}"
    transaction.execute(
        "INSERT INTO organizations (id, name, created_at) VALUES (?, ?, ?)", (new_id, DEFAULT, int(time.time()))
    )
    return new_id


def create(transaction: Transaction, organization_id: str, name: str) -> Project:
    """A new project. Raises `InvalidRequest` for a name that cannot be, `Conflict` for one that is taken."""
    checked = check_name(name)
    _check_free(transaction, organization_id, checked)
    return _insert(transaction, organization_id, checked)


def find(read: Read, organization_id: str, project_id: str) -> Row:
    """The row with all settings. Raises `NotFound`."""
    sql = "SELECT * FROM projects WHERE id = ? AND organization_id = ?"
    return one(read, sql, (project_id, organization_id), "Project", project_id)


def default_project(read: Read, organization_id: str) -> Row:
    """The one that is always there."""
    sql = "SELECT * FROM projects WHERE name = ? AND organization_id = ?"
    return one(read, sql, (DEFAULT, organization_id), "Project", DEFAULT)


def rename(transaction: Transaction, project: Project, name: str) -> None:
    """Raises like `create`, and `InvalidRequest` for the default project, which keys are found by."""
    checked = check_name(name)
    if checked == project.name:
        return
    if project.name == DEFAULT:
        raise InvalidRequest("the default project keeps its name", param="name")
    _check_free(transaction, project.organization_id, checked)
    transaction.execute("UPDATE projects SET name = ? WHERE id = ?", (checked, project.id))


def archive(transaction: Transaction, project: Project) -> None:
    """Close it for good. Archiving twice changes nothing. Raises `InvalidRequest` for the default project."""
    if project.name == DEFAULT:
        raise InvalidRequest("the default project cannot be archived: the organization's own keys belong to it")
    transaction.execute(
        "UPDATE projects SET archived_at = ? WHERE id = ? AND archived_at IS NULL", (int(time.time()), project.id)
    )


def check_active(project: Project) -> Project:
    """The project; raises `InvalidRequest` if it was archived."""
    if project.archived_at is not None:
        raise InvalidRequest(f"the project {project.name!r} ({project.id}) has been archived", code="project_archived")
    return project


def project_of(row: Row) -> Project:
    return Project(row["id"], row["organization_id"], row["name"], row["created_at"], row["archived_at"])


def _check_free(transaction: Transaction, organization_id: str, name: str) -> None:
    taken = "SELECT 1 AS one FROM projects WHERE organization_id = ? AND name = ?"
    if is_there(transaction.execute, taken, (organization_id, name)):
        raise Conflict(f"a project is already named {name!r}", param="name")


def _find(transaction: Transaction, name: str) -> Project | None:
    rows = transaction.execute("SELECT * FROM projects WHERE name = ?", (name,))
    return project_of(rows[0]) if rows else None


def _insert(transaction: Transaction, organization_id: str, name: str) -> Project:
    project = Project(f"proj_{secrets.token_hex(12)}", organization_id, name, int(time.time()))
    transaction.execute(
        "INSERT INTO projects (id, organization_id, name, created_at) VALUES (?, ?, ?, ?)",
        (project.id, project.organization_id, project.name, project.created_at),
    )
    return project

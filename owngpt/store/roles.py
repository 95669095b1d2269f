"""Roles: named sets of permissions (scopes), given to users and groups, in the organization or in one project.

A user's base role stands in `users.role` and `project_users.role`; the table of assignments holds what comes on top.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from owngpt.errors import Conflict, InvalidRequest
from owngpt.store.db import Row, Transaction
from owngpt.store.names import check_name, check_text
from owngpt.store.reading import Read, is_there, no_such
from owngpt.store.scopes import API, MANAGEMENT, check_scopes, expand

ORGANIZATION = ""  # in the place of a project's id


@dataclass(frozen=True, slots=True)
class Role:
    """One role. `project_id` is empty for one of the organization; times are None for a predefined one."""

    id: str
    project_id: str
    name: str
    description: str | None
    permissions: tuple[str, ...]
    created_by: str | None = None
    created_at: int | None = None
    updated_at: int | None = None

    @property
    def is_predefined(self) -> bool:
        return self.created_at is None

    @property
    def scopes(self) -> frozenset[str]:
        """All that it permits."""
        return expand(self.permissions)


_READING = tuple(sorted(scope for scope in MANAGEMENT if scope.endswith(".read")))
ORGANIZATION_ROLES = (
    Role("role-organization-owner", "", "owner", "May manage everything, and use every project", ("admin", "api")),
    Role("role-organization-reader", "", "reader", "May look at the organization", _READING),
)
PROJECT_ROLES = (
    Role("role-project-owner", "", "owner", "May use everything of the project", ("api",)),
    Role("role-project-member", "", "member", "May use everything of the project", ("api",)),
    Role("role-project-viewer", "", "viewer", "May read what the project has stored", ("api.read",)),
)


def predefined(project_id: str) -> tuple[Role, ...]:
    """The roles that are always there."""
    return PROJECT_ROLES if project_id else ORGANIZATION_ROLES


def create(
    transaction: Transaction,
    organization_id: str,
    project_id: str,
    name: str,
    permissions: Sequence[str],
    description: str | None,
    created_by: str | None,
) -> Role:
    """A new role. Raises `InvalidRequest` for a name or permission that cannot be, `Conflict` for a taken name."""
    checked, now = check_name(name, "role_name"), int(time.time())
    role = Role(
        f"role_{secrets.token_hex(12)}",
        project_id,
        checked,
        check_text(description, "description"),
        _permissions(permissions, project_id),
        created_by,
        now,
        now,
    )
    _check_free(transaction, organization_id, project_id, checked)
    transaction.execute(
        "INSERT INTO roles (id, organization_id, project_id, name, description, permissions, created_by, created_at,"
        " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            role.id,
            organization_id,
            project_id,
            role.name,
            role.description,
            " ".join(role.permissions),
            created_by,
            now,
            now,
        ),
    )
    return role


def find(read: Read, organization_id: str, project_id: str, role_id: str) -> Role:
    """A role of that place, predefined ones too. Raises `NotFound`."""
    for role in predefined(project_id):
        if role.id == role_id:
            return role
    where = "id = ? AND organization_id = ? AND project_id = ?"
    rows = read(f"SELECT * FROM roles WHERE {where}", (role_id, organization_id, project_id))
    if not rows:
        raise no_such("Role", role_id)
    return _role(rows[0])


def resolve(read: Read, organization_id: str, project_id: str, name_or_id: str) -> Role:
    """As `find`, also by the name of a predefined role."""
    by_name = {role.name: role.id for role in predefined(project_id)}
    return find(read, organization_id, project_id, by_name.get(name_or_id, name_or_id))


def list_(read: Read, organization_id: str, project_id: str) -> list[Role]:
    """Predefined ones first, then those that were made here, oldest first."""
    where = "organization_id = ? AND project_id = ?"
    rows = read(f"SELECT * FROM roles WHERE {where} ORDER BY created_at, id", (organization_id, project_id))
    return [*predefined(project_id), *map(_role, rows)]


def update(
    transaction: Transaction,
    organization_id: str,
    role: Role,
    name: str | None,
    permissions: Sequence[str] | None,
    description: str | None,
) -> Role:
    """Change what is given. Raises `InvalidRequest` for a predefined role, and like `create`."""
    _check_changeable(role)
    new_name = role.name if name is None else check_name(name, "role_name")
    if new_name != role.name:
        _check_free(transaction, organization_id, role.project_id, new_name)
    new = role.permissions if permissions is None else _permissions(permissions, role.project_id)
    text = role.description if description is None else check_text(description, "description")
    transaction.execute(
        "UPDATE roles SET name = ?, permissions = ?, description = ?, updated_at = ? WHERE id = ?",
        (new_name, " ".join(new), text, int(time.time()), role.id),
    )
    return find(transaction.execute, organization_id, role.project_id, role.id)


def delete(transaction: Transaction, role: Role) -> None:
    """The role and its assignments. Raises `InvalidRequest` for a predefined role, `Conflict` for a base role."""
    _check_changeable(role)
    for table in ("project_users", "project_groups"):
        if is_there(transaction.execute, f"SELECT 1 AS one FROM {table} WHERE role = ? LIMIT 1", (role.id,)):
            raise Conflict(f"the role {role.id} is the only one of members of a project; give them another one first")
    transaction.execute("DELETE FROM role_assignments WHERE role_id = ?", (role.id,))
    transaction.execute("DELETE FROM roles WHERE id = ?", (role.id,))


def assign(transaction: Transaction, role: Role, principal_id: str, project_id: str) -> None:
    """Give it; giving it twice changes nothing."""
    transaction.execute(
        "INSERT INTO role_assignments (role_id, principal_id, project_id, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (role.id, principal_id, project_id, int(time.time())),
    )


def unassign(transaction: Transaction, role: Role, principal_id: str, project_id: str) -> None:
    """Take it away. Raises `NotFound` if it was not given."""
    where, parameters = "role_id = ? AND principal_id = ? AND project_id = ?", (role.id, principal_id, project_id)
    if not is_there(transaction.execute, f"SELECT 1 AS one FROM role_assignments WHERE {where}", parameters):
        raise no_such("RoleAssignment", role.id)
    transaction.execute(f"DELETE FROM role_assignments WHERE {where}", parameters)


def assigned(read: Read, organization_id: str, principal_ids: Sequence[str], project_id: str) -> list[tuple[Role, str]]:
    """The roles of these principals on top of their base roles, each with the principal that it was given to."""
    if not principal_ids:
        return []
    marks = ", ".join("?" for _ in principal_ids)
    rows = read(
        f"SELECT role_id, principal_id FROM role_assignments WHERE project_id = ? AND principal_id IN ({marks})"
        " ORDER BY created_at, role_id",
        (project_id, *principal_ids),
    )
    return [(find(read, organization_id, project_id, row["role_id"]), str(row["principal_id"])) for row in rows]


def forget_principal(transaction: Transaction, principal_id: str) -> None:
    """Drop every assignment of a user or group that ceases to be."""
    transaction.execute("DELETE FROM role_assignments WHERE principal_id = ?", (principal_id,))


def _permissions(names: Sequence[str], project_id: str) -> tuple[str, ...]:
    stored = check_scopes(names, "permissions")
    if project_id and (beyond := expand(stored) - API):
        raise InvalidRequest(
            f"Invalid 'permissions': {min(beyond)!r} concerns the organization; a project's role cannot have it.",
            param="permissions",
            code="invalid_value",
        )
    return stored


def _check_changeable(role: Role) -> None:
    if role.is_predefined:
        raise InvalidRequest(f"the role {role.id} is predefined and cannot be changed; make one of your own")


def _check_free(transaction: Transaction, organization_id: str, project_id: str, name: str) -> None:
    taken = "SELECT 1 AS one FROM roles WHERE organization_id = ? AND project_id = ? AND name = ?"
    names = {role.name for role in predefined(project_id)}
    if name in names or is_there(transaction.execute, taken, (organization_id, project_id, name)):
        raise Conflict(f"a role is already named {name!r}", param="role_name")


def _role(row: Row) -> Role:
    return Role(
        row["id"],
        row["project_id"],
        row["name"],
        row["description"],
        tuple(row["permissions"].split()),
        row["created_by"],
        row["created_at"],
        row["updated_at"],
    )

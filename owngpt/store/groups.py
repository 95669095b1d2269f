"""Groups of users and service accounts: documents may name them as readers, and projects take them in."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from owngpt.errors import Conflict
from owngpt.store import roles
from owngpt.store.db import Row, Transaction
from owngpt.store.grants import ACCOUNT_PREFIX
from owngpt.store.names import check_name
from owngpt.store.reading import Read, is_there, one

MAX_NAME = 255
MEMBERS = f"""
    (SELECT group_members.user_id AS id, group_members.group_id, group_members.added_at,
            COALESCE(users.name, service_accounts.name) AS name, users.email,
            CASE WHEN group_members.user_id LIKE '{ACCOUNT_PREFIX}%' THEN 1 ELSE 0 END AS is_service_account
     FROM group_members LEFT JOIN users ON users.id = group_members.user_id
     LEFT JOIN service_accounts ON service_accounts.id = group_members.user_id) AS members
"""  # a table for lists
PROJECT_GROUPS = """
    (SELECT user_groups.id, user_groups.name, project_groups.project_id, project_groups.role, project_groups.created_at
     FROM project_groups JOIN user_groups ON user_groups.id = project_groups.group_id) AS granted
"""  # a table for lists


@dataclass(frozen=True, slots=True)
class Group:
    id: str
    organization_id: str
    name: str
    created_at: int


def create(transaction: Transaction, organization_id: str, name: str) -> Group:
    """Raises `InvalidRequest` for a name that cannot be, `Conflict` for one that is taken."""
    checked = check_name(name, max_length=MAX_NAME)
    _check_free(transaction, organization_id, checked)
    group = Group(f"group_{secrets.token_hex(12)}", organization_id, checked, int(time.time()))
    transaction.execute(
        "INSERT INTO user_groups (id, organization_id, name, created_at) VALUES (?, ?, ?, ?)",
        (group.id, organization_id, group.name, group.created_at),
    )
    return group


def find(read: Read, organization_id: str, group_id: str) -> Group:
    """Raises `NotFound`."""
    sql = "SELECT * FROM user_groups WHERE id = ? AND organization_id = ?"
    return group_of(one(read, sql, (group_id, organization_id), "Group", group_id))


def rename(transaction: Transaction, group: Group, name: str) -> Group:
    """Raises like `create`."""
    checked = check_name(name, max_length=MAX_NAME)
    if checked != group.name:
        _check_free(transaction, group.organization_id, checked)
        transaction.execute("UPDATE user_groups SET name = ? WHERE id = ?", (checked, group.id))
    return find(transaction.execute, group.organization_id, group.id)


def delete(transaction: Transaction, group: Group) -> None:
    """The group, its members' rights by it, and its roles. What only it might read, nobody reads then."""
    for table in ("group_members", "project_groups"):
        transaction.execute(f"DELETE FROM {table} WHERE group_id = ?", (group.id,))
    roles.forget_principal(transaction, group.id)
    transaction.execute("DELETE FROM user_groups WHERE id = ?", (group.id,))


def member(read: Read, group_id: str, user_id: str) -> Row:
    """A row of `MEMBERS`. Raises `NotFound`."""
    sql = f"SELECT * FROM {MEMBERS} WHERE group_id = ? AND id = ?"
    return one(read, sql, (group_id, user_id), "GroupUser", user_id)


def add_member(transaction: Transaction, group: Group, user_id: str) -> None:
    """Take in a user or service account of the organization; twice changes nothing. Raises `NotFound`."""
    known = (
        "SELECT id FROM users WHERE id = ? AND organization_id = ? UNION ALL"
        " SELECT service_accounts.id FROM service_accounts JOIN projects ON projects.id = service_accounts.project_id"
        " WHERE service_accounts.id = ? AND projects.organization_id = ?"
    )
    place = (user_id, group.organization_id)
    one(transaction.execute, known, (*place, *place), "User", user_id)
    transaction.execute(
        "INSERT INTO group_members (group_id, user_id, added_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (group.id, user_id, int(time.time())),
    )


def remove_member(transaction: Transaction, group: Group, user_id: str) -> None:
    """Raises `NotFound`."""
    member(transaction.execute, group.id, user_id)
    transaction.execute("DELETE FROM group_members WHERE group_id = ? AND user_id = ?", (group.id, user_id))


def of_member(read: Read, user_id: str) -> list[str]:
    """The ids of the groups that somebody is in."""
    rows = read("SELECT group_id FROM group_members WHERE user_id = ? ORDER BY group_id", (user_id,))
    return [str(row["group_id"]) for row in rows]


def project_group(read: Read, project_id: str, group_id: str) -> Row:
    """A row of `PROJECT_GROUPS`. Raises `NotFound`."""
    sql = f"SELECT * FROM {PROJECT_GROUPS} WHERE project_id = ? AND id = ?"
    return one(read, sql, (project_id, group_id), "ProjectGroup", group_id)


def let_in(transaction: Transaction, project_id: str, group: Group, role: str) -> None:
    """Make the group's users members of a project; again changes the role."""
    transaction.execute(
        "INSERT INTO project_groups (project_id, group_id, role, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (project_id, group_id) DO UPDATE SET role = excluded.role",
        (project_id, group.id, role, int(time.time())),
    )


def put_out(transaction: Transaction, project_id: str, group_id: str) -> None:
    """Raises `NotFound`."""
    project_group(transaction.execute, project_id, group_id)
    transaction.execute("DELETE FROM project_groups WHERE project_id = ? AND group_id = ?", (project_id, group_id))
    transaction.execute(
        "DELETE FROM role_assignments WHERE project_id = ? AND principal_id = ?", (project_id, group_id)
    )


def group_of(row: Row) -> Group:
    return Group(row["id"], row["organization_id"], row["name"], row["created_at"])


def _check_free(transaction: Transaction, organization_id: str, name: str) -> None:
    taken = "SELECT 1 AS one FROM user_groups WHERE organization_id = ? AND name = ?"
    if is_there(transaction.execute, taken, (organization_id, name)):
        raise Conflict(f"a group is already named {name!r}", param="name")

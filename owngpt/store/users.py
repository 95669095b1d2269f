"""The people of an organization, and of which projects they are members."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from owngpt.errors import Conflict
from owngpt.store import roles
from owngpt.store.db import Row, Transaction
from owngpt.store.grants import USER_PREFIX
from owngpt.store.keys import revoke_keys
from owngpt.store.names import check_email, check_name
from owngpt.store.reading import Read, is_there, one

COLUMNS = """
    users.*, (SELECT MAX(last_used_at) FROM keys WHERE keys.owner_id = users.id) AS api_key_last_used_at
"""
MEMBERS = """
    (SELECT users.id, users.name, users.email, project_users.role, project_users.added_at, project_users.project_id
     FROM project_users JOIN users ON users.id = project_users.user_id) AS members
"""  # a table for lists


@dataclass(frozen=True, slots=True)
class User:
    """A person. `role` is the base role in the organization: owner or reader."""

    id: str
    organization_id: str
    email: str
    name: str
    role: str
    added_at: int
    technical_level: str | None = None
    developer_persona: str | None = None
    key_last_used_at: int | None = None


def add(transaction: Transaction, organization_id: str, email: str, name: str, role: str) -> User:
    """A new user. Raises `InvalidRequest` for texts that cannot be, `Conflict` for an address that is known."""
    address = check_email(email)
    taken = "SELECT 1 AS one FROM users WHERE organization_id = ? AND email = ?"
    if is_there(transaction.execute, taken, (organization_id, address)):
        raise Conflict(f"{address} is a user already", param="email")
    user_id = USER_PREFIX + secrets.token_hex(12)
    transaction.execute(
        "INSERT INTO users (id, organization_id, email, name, role, added_at) VALUES (?, ?, ?, ?, ?, ?)",
        (user_id, organization_id, address, check_name(name), role, int(time.time())),
    )
    return find(transaction.execute, organization_id, user_id)


def find(read: Read, organization_id: str, user_id: str) -> User:
    """Raises `NotFound`."""
    sql = f"SELECT {COLUMNS} FROM users WHERE id = ? AND organization_id = ?"
    return user_of(one(read, sql, (user_id, organization_id), "User", user_id))


def by_email(read: Read, organization_id: str, email: str) -> User:
    """Raises `NotFound`."""
    sql, address = f"SELECT {COLUMNS} FROM users WHERE email = ? AND organization_id = ?", check_email(email)
    return user_of(one(read, sql, (address, organization_id), "User", address))


def change(transaction: Transaction, user: User, role: str, level: str | None, persona: str | None) -> None:
    """Set the base role and the two notes. Raises `Conflict` if no owner would be left."""
    transaction.execute(
        "UPDATE users SET role = ?, technical_level = ?, developer_persona = ? WHERE id = ?",
        (role, level, persona, user.id),
    )
    if user.role == "owner":
        _check_owner_is_left(transaction, user.organization_id)


def delete(transaction: Transaction, user: User) -> None:
    """The user, its memberships and roles; its keys are revoked. Raises `Conflict` for the last owner."""
    revoke_keys(transaction, "owner_id = ?", (user.id,))
    transaction.execute("DELETE FROM project_users WHERE user_id = ?", (user.id,))
    transaction.execute("DELETE FROM group_members WHERE user_id = ?", (user.id,))
    roles.forget_principal(transaction, user.id)
    transaction.execute("DELETE FROM users WHERE id = ?", (user.id,))
    if user.role == "owner":
        _check_owner_is_left(transaction, user.organization_id)


def member(read: Read, project_id: str, user_id: str) -> Row:
    """A row of `MEMBERS`. Raises `NotFound`."""
    sql = f"SELECT * FROM {MEMBERS} WHERE project_id = ? AND id = ?"
    return one(read, sql, (project_id, user_id), "ProjectUser", user_id)


def join(transaction: Transaction, project_id: str, user: User, role: str) -> None:
    """Make a user a member of a project. Raises `Conflict` if it is one."""
    joined = transaction.execute(
        "INSERT INTO project_users (project_id, user_id, role, added_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING RETURNING user_id",
        (project_id, user.id, role, int(time.time())),
    )
    if not joined:
        raise Conflict(f"{user.id} is a member of the project already", param="user_id")


def set_member_role(transaction: Transaction, project_id: str, user_id: str, role: str) -> None:
    transaction.execute(
        "UPDATE project_users SET role = ? WHERE project_id = ? AND user_id = ?", (role, project_id, user_id)
    )


def leave(transaction: Transaction, project_id: str, user_id: str) -> None:
    """End a membership, with the roles in the project; the user's keys of the project are revoked."""
    revoke_keys(transaction, "owner_id = ? AND project_id = ? AND scopes NOT LIKE '%admin%'", (user_id, project_id))
    transaction.execute("DELETE FROM project_users WHERE project_id = ? AND user_id = ?", (project_id, user_id))
    transaction.execute("DELETE FROM role_assignments WHERE project_id = ? AND principal_id = ?", (project_id, user_id))


def memberships(read: Read, user_id: str) -> list[Row]:
    """(id, name, role) of the projects that a user is a member of."""
    return read(
        "SELECT projects.id, projects.name, project_users.role FROM project_users"
        " JOIN projects ON projects.id = project_users.project_id WHERE project_users.user_id = ?"
        " ORDER BY project_users.added_at, projects.id",
        (user_id,),
    )


def user_of(row: Row) -> User:
    """From a row of `COLUMNS`."""
    return User(
        row["id"],
        row["organization_id"],
        row["email"],
        row["name"],
        row["role"],
        row["added_at"],
        row["technical_level"],
        row["developer_persona"],
        row["api_key_last_used_at"],
    )


def _check_owner_is_left(transaction: Transaction, organization_id: str) -> None:
    owners = "SELECT 1 AS one FROM users WHERE organization_id = ? AND role = 'owner' LIMIT 1"
    if not is_there(transaction.execute, owners, (organization_id,)):
        raise Conflict("this is the last owner of the organization; make another user an owner first")

"""Invitations. No e-mail is sent: whoever invites hands the token over, and with it the invited become users.

A token is kept as a hash, as keys are, and works once, for a week.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from owngpt.errors import AuthenticationFailed, Conflict
from owngpt.store.db import Row, Transaction
from owngpt.store.names import check_email
from owngpt.store.reading import Read, is_there, one

TOKEN_PREFIX = "invite-own-"
INVITE_PREFIX = "invite-"
VALID_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Invite:
    """Who may come, as what. `projects` are (id, role)."""

    id: str
    organization_id: str
    email: str
    role: str
    projects: tuple[tuple[str, str], ...]
    created_at: int
    expires_at: int
    accepted_at: int | None

    def status(self, now: float) -> Literal["accepted", "expired", "pending"]:
        if self.accepted_at is not None:
            return "accepted"
        return "expired" if self.expires_at <= now else "pending"


class NewInvite(NamedTuple):
    """An invitation with its token, which nobody can read again."""

    token: str
    invite: Invite


def create(
    transaction: Transaction, organization_id: str, email: str, role: str, projects: Sequence[tuple[str, str]]
) -> NewInvite:
    """Raises `InvalidRequest` for an address that is none, `Conflict` if its owner is a user or invited already."""
    address, now = check_email(email), int(time.time())
    _check_new(transaction, organization_id, address, now)
    token, invite_id = TOKEN_PREFIX + secrets.token_urlsafe(32), INVITE_PREFIX + secrets.token_hex(12)
    transaction.execute(
        "INSERT INTO invites (id, organization_id, email, role, projects, hash, created_at, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            invite_id,
            organization_id,
            address,
            role,
            json.dumps([{"id": project, "role": name} for project, name in projects]),
            _hash(token),
            now,
            now + VALID_SECONDS,
        ),
    )
    return NewInvite(token, find(transaction.execute, organization_id, invite_id))


def find(read: Read, organization_id: str, invite_id: str) -> Invite:
    """Raises `NotFound`."""
    sql = "SELECT * FROM invites WHERE id = ? AND organization_id = ?"
    return invite_of(one(read, sql, (invite_id, organization_id), "Invite", invite_id))


def by_token(read: Read, token: str) -> Invite:
    """The invitation that a token accepts now. Raises `AuthenticationFailed`."""
    rows = read("SELECT * FROM invites WHERE hash = ?", (_hash(token),))
    status = invite_of(rows[0]).status(time.time()) if rows else "unknown"
    if status != "pending":
        raise AuthenticationFailed(f"The token of the invitation is {status}. Ask for a new invitation.")
    return invite_of(rows[0])


def accept(transaction: Transaction, invite: Invite) -> None:
    """Use it up. Raises `Conflict` if that has happened since it was read."""
    taken = "UPDATE invites SET accepted_at = ? WHERE id = ? AND accepted_at IS NULL RETURNING id"
    if not transaction.execute(taken, (int(time.time()), invite.id)):
        raise Conflict(f"the invitation {invite.id} has been accepted already")


def delete(transaction: Transaction, invite: Invite) -> None:
    """Take it back. Raises `Conflict` if it has been accepted."""
    if invite.accepted_at is not None:
        raise Conflict(f"the invitation {invite.id} has been accepted, so it cannot be taken back; delete the user")
    transaction.execute("DELETE FROM invites WHERE id = ?", (invite.id,))


def invite_of(row: Row) -> Invite:
    projects: Sequence[Mapping[str, str]] = json.loads(row["projects"])
    return Invite(
        row["id"],
        row["organization_id"],
        row["email"],
        row["role"],
        tuple((project["id"], project["role"]) for project in projects),
        row["created_at"],
        row["expires_at"],
        row["accepted_at"],
    )


def _check_new(transaction: Transaction, organization_id: str, email: str, now: int) -> None:
    user = "SELECT 1 AS one FROM users WHERE organization_id = ? AND email = ?"
    if is_there(transaction.execute, user, (organization_id, email)):
        raise Conflict(f"{email} is a user already", param="email")
    pending = "SELECT 1 AS one FROM invites WHERE organization_id = ? AND email = ? AND expires_at > ?"
    if is_there(transaction.execute, f"{pending} AND accepted_at IS NULL", (organization_id, email, now)):
        raise Conflict(f"{email} is invited already; delete that invitation first", param="email")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

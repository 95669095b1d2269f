"""Whom a key belongs to, as the key documents show it."""

from __future__ import annotations

from owngpt.server.routes.organization.desk import Document
from owngpt.store.grants import USER_PREFIX
from owngpt.store.keys import Key
from owngpt.store.reading import Read


def project_owner(read: Read, key: Key) -> Document:
    """A user or a service account; empty where the key belongs to the project alone."""
    if key.owner_id is None:
        return {}
    is_user = key.owner_id.startswith(USER_PREFIX)
    kind = "user" if is_user else "service_account"
    row = _user(read, key.owner_id) if is_user else _account(read, key.owner_id)
    return {"type": kind, **({kind: row} if row else {})}


def admin_owner(read: Read, key: Key) -> Document:
    """A user; empty where the key was made by the operator of the server."""
    user = _user(read, key.owner_id) if key.owner_id is not None else None
    return {} if user is None else {"type": "user", "object": "organization.user", **user}


def _user(read: Read, user_id: str) -> Document | None:
    rows = read("SELECT id, email, name, role, added_at AS created_at FROM users WHERE id = ?", (user_id,))
    return dict(rows[0]) if rows else None


def _account(read: Read, account_id: str) -> Document | None:
    rows = read("SELECT id, name, role, created_at FROM service_accounts WHERE id = ?", (account_id,))
    return dict(rows[0]) if rows else None

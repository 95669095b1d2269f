"""Who acts, as the audit log writes it."""

from __future__ import annotations

from typing import Any

from owngpt.store.audit import Actor
from owngpt.store.grants import USER_PREFIX
from owngpt.store.invites import INVITE_PREFIX
from owngpt.store.reading import Read


def actor_of(read: Read, key_id: str | None, owner_id: str | None, address: str | None) -> Actor:
    """From a key's id, its owner and the address that it was used from; any of them may not be known."""
    if key_id is not None and key_id.startswith(INVITE_PREFIX):
        return _invited(read, key_id, address)
    email: str | None = None
    key: dict[str, Any] = {} if key_id is None else {"id": key_id}
    if owner_id is not None and owner_id.startswith(USER_PREFIX):
        rows = read("SELECT email FROM users WHERE id = ?", (owner_id,))
        email = str(rows[0]["email"]) if rows else None
        key |= {"type": "user", "user": {"id": owner_id, **({"email": email} if email else {})}}
    elif owner_id is not None:
        key |= {"type": "service_account", "service_account": {"id": owner_id}}
    document: dict[str, Any] = {"type": "api_key", "api_key": key} if key else {}
    if address is not None:
        document = {**(document or {"type": "session", "session": {"ip_address": address}}), "ip_address": address}
    return Actor(key_id, owner_id, email, document)


def _invited(read: Read, invite_id: str, address: str | None) -> Actor:
    """Somebody who accepts an invitation, and has no key yet."""
    rows = read("SELECT email FROM invites WHERE id = ?", (invite_id,))
    email = str(rows[0]["email"]) if rows else None
    session = {"user": {"email": email}} | ({"ip_address": address} if address else {})
    return Actor(None, None, email, {"type": "session", "session": session})

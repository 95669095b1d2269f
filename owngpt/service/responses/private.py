"""Personal data in responses: what is stored has placeholders, and what they stand for is kept beside it, sealed.

A response that follows another one knows the placeholders that were given there; so does one in a conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from owngpt.errors import InvalidRequest
from owngpt.service.app import App, Caller
from owngpt.service.privacy import Guard
from owngpt.service.responses.items import Item
from owngpt.service.responses.seal import Seal
from owngpt.store.db import Transaction


async def guard_for(app: App, caller: Caller, document: Any, known: Guard | None = None) -> Guard | None:
    """The guard that a request passes; None where the policy is off. `known` has the placeholders of a connection."""
    guard = await app.privacy.open(caller)
    if guard is None:
        return None
    if known is not None and known.policy == guard.policy:
        return known
    if (owner := _owner(document)) is not None:
        guard = await app.privacy.open(caller, owner) or guard
    _reserve(document, guard, Seal(app.settings.data_dir, caller.project_id))
    return guard


def mask_again(guard: Guard | None, items: Sequence[Item]) -> list[Item]:
    """Stored items as the model may see them: what was stored before there was a policy is masked now."""
    if guard is None:
        return list(items)
    masked: list[Item] = guard.kept(list(items))
    return masked


def restored(app: App, caller: Caller, owner_id: str, document: Any) -> Any:
    """A stored document as its caller sees it. Reads the database."""
    guard = app.privacy.restorer(caller, owner_id)
    return document if guard is None else guard.restored(document)


def keep_placeholders(
    app: App, transaction: Transaction, caller: Caller, guard: Guard | None, owner_ids: Sequence[str | None]
) -> None:
    """Keep what the placeholders stand for, with the response and the conversation."""
    for owner_id in owner_ids:
        if guard is not None and owner_id is not None:
            app.privacy.keep(transaction, caller, owner_id, guard)


def _owner(document: Any) -> str | None:
    """What the request goes on from."""
    if not isinstance(document, dict):
        return None
    conversation = document.get("conversation")
    named = conversation.get("id") if isinstance(conversation, dict) else conversation
    owner = document.get("previous_response_id") or named
    return owner if isinstance(owner, str) else None


def _reserve(document: Any, guard: Guard, seal: Seal) -> None:
    """Placeholders in what the client carries for us are not given to other values."""
    items = document.get("input") if isinstance(document, dict) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and isinstance(sealed := item.get("encrypted_content"), str):
            try:
                guard.reserve(seal.open(sealed, str(item.get("type"))))
            except InvalidRequest:
                continue  # it is refused later, by name

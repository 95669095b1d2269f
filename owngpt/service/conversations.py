"""Conversations: lists of items that responses read and add to."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from owngpt.errors import InvalidRequest, NotFound
from owngpt.service.app import App, Caller
from owngpt.service.responses import sources
from owngpt.service.responses.input_files import read_files
from owngpt.service.responses.items import Item, new_id
from owngpt.service.responses.private import keep_placeholders, restored
from owngpt.service.responses.reading import shown
from owngpt.store.conversations import Conversation, Conversations, no_conversation
from owngpt.store.db import Transaction
from owngpt.store.paging import PageRequest
from owngpt.store.responses import OwnedItem
from owngpt.store.sources import Quoted, Sources


def create(app: App, caller: Caller, metadata: Mapping[str, str], items: Sequence[Item]) -> Conversation:
    """A new one. Raises `InvalidRequest` where nothing may be kept."""
    if caller.keeps_nothing or app.settings.store == "never":
        raise InvalidRequest("Conversations need to be stored, and nothing is kept here.")
    conversation = Conversation(new_id("conv"), caller.project_id, int(time.time()), metadata)
    (found, copied), guard = _looked_up(app, caller, items), app.privacy.guard(caller)
    kept, kept_metadata = (found, metadata) if guard is None else guard.mask_document([found, dict(metadata)])
    with app.database.write() as transaction:
        keep_placeholders(app, transaction, caller, guard, [conversation.id])
        _keep_sources(app, transaction, conversation, found, copied)
    Conversations(app.database).add(replace(conversation, metadata=kept_metadata), kept)
    return conversation


def find(app: App, caller: Caller, conversation_id: str) -> Conversation:
    """The project's conversation, for whoever may read what was quoted in it. Raises `NotFound`."""
    found = _found(Conversations(app.database).find(caller.project_id, conversation_id), conversation_id)
    if not sources.may_read(app, caller, conversation_id):
        raise no_conversation(conversation_id)
    return replace(found, metadata=restored(app, caller, conversation_id, dict(found.metadata)))


def update(app: App, caller: Caller, conversation_id: str, metadata: Mapping[str, str]) -> Conversation:
    """Set its metadata. Raises `NotFound`."""
    find(app, caller, conversation_id)
    guard = app.privacy.guard(caller, conversation_id)
    kept = metadata if guard is None else guard.mask_document(dict(metadata))
    with app.database.write() as transaction:
        keep_placeholders(app, transaction, caller, guard, [conversation_id])
    _found(Conversations(app.database).update(caller.project_id, conversation_id, kept), conversation_id)
    return find(app, caller, conversation_id)


def delete(app: App, caller: Caller, conversation_id: str) -> None:
    """Delete it and its items. Raises `NotFound`."""
    find(app, caller, conversation_id)
    with app.database.write() as transaction:
        if not Conversations(app.database).delete(transaction, caller.project_id, conversation_id):
            raise no_conversation(conversation_id)
        Sources(app.database).drop(transaction, caller.project_id, conversation_id)
        app.privacy.drop(transaction, caller, conversation_id)


def add_items(app: App, caller: Caller, conversation_id: str, items: Sequence[Item]) -> list[Item]:
    """Add items at its end; -> as they are stored. Raises `NotFound`, and `InvalidRequest` where nothing is kept."""
    if caller.keeps_nothing or app.settings.store == "never":
        raise InvalidRequest("Conversations need to be stored, and nothing is kept here.")
    conversation = find(app, caller, conversation_id)
    (found, copied), guard = _looked_up(app, caller, items), app.privacy.guard(caller, conversation_id)
    kept = found if guard is None else guard.mask_document(found)
    with app.database.write() as transaction:
        Conversations(app.database).append(transaction, caller.project_id, conversation_id, kept)
        keep_placeholders(app, transaction, caller, guard, [conversation_id])
        _keep_sources(app, transaction, conversation, found, copied)
    return found


def list_items(
    app: App, caller: Caller, conversation_id: str, page: PageRequest, include: Collection[str]
) -> tuple[list[Item], bool]:
    """A page of its items, and whether there is more. Raises `NotFound`."""
    find(app, caller, conversation_id)
    found = Conversations(app.database).item_page(caller.project_id, conversation_id, page)
    items = [shown(json.loads(row["item"]), include) for row in found.rows]
    return restored(app, caller, conversation_id, items), found.has_more


def find_item(app: App, caller: Caller, conversation_id: str, item_id: str, include: Collection[str]) -> Item:
    """One of its items. Raises `NotFound`."""
    item = Conversations(app.database).item(caller.project_id, conversation_id, item_id)
    if item is None or not sources.may_read(app, caller, conversation_id):
        raise _no_item(conversation_id, item_id)
    found: Item = restored(app, caller, conversation_id, shown(item, include))
    return found


def delete_item(app: App, caller: Caller, conversation_id: str, item_id: str) -> Conversation:
    """Delete one of its items; -> the conversation. Raises `NotFound`."""
    find(app, caller, conversation_id)
    if not Conversations(app.database).delete_item(caller.project_id, conversation_id, item_id):
        raise _no_item(conversation_id, item_id)
    return find(app, caller, conversation_id)


def _looked_up(app: App, caller: Caller, items: Sequence[Item]) -> tuple[list[Item], frozenset[Quoted]]:
    """References replaced by what they refer to, files by their texts; and what is quoted where they refer to."""
    found = [_item(app, caller, item) for item in items]
    owners = {owner for owner, _ in found if owner}
    quoted = frozenset[Quoted]().union(*(Sources(app.database).of(caller.project_id, owner) for owner in owners))
    return read_files(app, caller, [item for _, item in found], None), quoted


def _keep_sources(
    app: App, transaction: Transaction, conversation: Conversation, items: Sequence[Item], copied: frozenset[Quoted]
) -> None:
    """The conversation is for those who may read what these items were made from."""
    kept, project_id = Sources(app.database), conversation.project_id
    quoted = copied | kept.quoted(transaction, project_id, sources.sent(items))
    kept.add(transaction, project_id, conversation.id, quoted)


def _item(app: App, caller: Caller, item: Item) -> OwnedItem:
    if item["type"] != "item_reference":
        return OwnedItem("", item)
    found = sources.find_item(app, caller, item["id"])
    if found is None:
        raise InvalidRequest(f"Item with id '{item['id'][:80]}' not found.", param="items")
    return found


def _found(conversation: Conversation | None, conversation_id: str) -> Conversation:
    if conversation is None:
        raise no_conversation(conversation_id)
    return conversation


def _no_item(conversation_id: str, item_id: str) -> NotFound:
    return NotFound(f"Item with id '{item_id[:80]}' not found in conversation '{conversation_id[:80]}'.")

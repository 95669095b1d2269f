"""Who may read a stored answer again: whoever may read all that was found for it, and for what it goes on from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from owngpt.service.app import App, Caller
from owngpt.service.responses.items import Item
from owngpt.service.responses.turn import Context, Turn
from owngpt.store.conversations import Conversations
from owngpt.store.db import Transaction
from owngpt.store.responses import OwnedItem, Responses
from owngpt.store.sources import Quoted, Source, Sources


def may_read(app: App, caller: Caller, owner_id: str) -> bool:
    """Whether a stored response or conversation exists for this caller. Reads the database."""
    return Sources(app.database).may_read(caller.project_id, owner_id, caller.principals)


def keep_sources(
    app: App, transaction: Transaction, turn: Turn, project_id: str, context: Context, document: Mapping[str, Any]
) -> None:
    """Write down what a response was made from, for itself and its conversation."""
    sources = Sources(app.database)
    quoted = context.quoted | sources.quoted(transaction, project_id, made_from(context.inputs, document))
    for owner_id in (turn.id if turn.is_stored else None, turn.conversation_id):
        if owner_id is not None:
            sources.add(transaction, project_id, owner_id, quoted)


def quoted_now(app: App, caller: Caller, context: Context, document: Mapping[str, Any]) -> frozenset[Quoted]:
    """The same, of a response that is not stored. Blocks while the database is read."""
    if not (found := made_from(context.inputs, document)):
        return context.quoted
    with app.database.write() as transaction:
        return context.quoted | Sources(app.database).quoted(transaction, caller.project_id, found)


def find_item(app: App, caller: Caller, item_id: str) -> OwnedItem | None:
    """An item of any response or conversation of the project that the caller may read."""
    for store in (Responses(app.database), Conversations(app.database)):
        found = store.find_item(caller.project_id, item_id)
        if found is not None and may_read(app, caller, found.owner_id):
            return found
    return None


def made_from(inputs: Sequence[Item], document: Mapping[str, Any]) -> set[Source]:
    """The files whose texts stand in what was sent, and in a response as it is kept."""
    return sent(inputs) | _found(document["output"])


def sent(items: Sequence[Item]) -> set[Source]:
    """The files whose texts stand in these items: uploaded ones, and what a search had found."""
    fields = [item.get(name) for item in items for name in ("content", "output")]
    parts = [part for field in fields if isinstance(field, list) for part in field]
    files = {("", str(part["file_id"])) for part in parts if part["type"] == "input_file" and part.get("file_id")}
    return files | _found(items)


def _found(items: Sequence[Item]) -> set[Source]:
    """The files whose passages stand in calls of `file_search`: the ids of passages begin with their store's."""
    results = [each for item in items if item["type"] == "file_search_call" for each in item.get("results") or ()]
    places = [(str(each.get("passage_id") or ""), each.get("file_id")) for each in results]
    return {(passage.partition(".")[0], str(file_id)) for passage, file_id in places if file_id}

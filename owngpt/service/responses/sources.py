"""Who may read a stored answer again: whoever may read all that was found for it, and for what it goes on from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from owngpt.service.app import App, Caller
from owngpt.service.responses.items import Item
from owngpt.service.responses.turn import Turn
from owngpt.store.conversations import Conversations
from owngpt.store.db import Transaction
from owngpt.store.responses import Responses
from owngpt.store.sources import Source, Sources


def may_read(app: App, caller: Caller, owner_id: str) -> bool:
    """Whether a stored response or conversation exists for this caller. Reads the database."""
    return Sources(app.database).may_read(caller.project_id, owner_id, caller.principals)


def keep_sources(
    app: App,
    transaction: Transaction,
    turn: Turn,
    project_id: str,
    inputs: Sequence[Item],
    document: Mapping[str, Any],
) -> None:
    """Write down what a response was made from, for itself and its conversation."""
    sources, found = Sources(app.database), _found(document) | sent(inputs)
    earlier = turn.conversation_id or turn.previous_response_id
    if turn.is_stored:
        sources.add(transaction, project_id, turn.id, found)
        if earlier is not None:
            sources.inherit(transaction, project_id, turn.id, earlier)
    if turn.conversation_id is not None:
        sources.add(transaction, project_id, turn.conversation_id, found)


def find_item(app: App, caller: Caller, item_id: str) -> Item | None:
    """An item of any response or conversation of the project that the caller may read."""
    for store in (Responses(app.database), Conversations(app.database)):
        found = store.find_item(caller.project_id, item_id)
        if found is not None and may_read(app, caller, found.owner_id):
            return found.item
    return None


def sent(items: Sequence[Item]) -> set[Source]:
    """The uploaded files whose texts stand in these items."""
    fields = [item.get(name) for item in items for name in ("content", "output")]
    parts = [part for field in fields if isinstance(field, list) for part in field]
    return {("", str(part["file_id"])) for part in parts if part["type"] == "input_file" and part.get("file_id")}


def _found(document: Mapping[str, Any]) -> set[Source]:
    """The files whose passages stand in a response as it is kept: the ids of passages begin with their store's."""
    calls = [item for item in document["output"] if item["type"] == "file_search_call"]
    results = [result for call in calls for result in call.get("results") or ()]
    return {(str(result["passage_id"]).partition(".")[0], str(result["file_id"])) for result in results}

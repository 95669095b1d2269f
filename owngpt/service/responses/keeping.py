"""Storing a response: it is in the database before its last event is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anyio import to_thread

from owngpt.service.app import App, Caller
from owngpt.service.responses.private import keep_placeholders
from owngpt.service.responses.sources import keep_sources
from owngpt.service.responses.turn import Context, Turn
from owngpt.store.conversations import Conversations
from owngpt.store.responses import Responses, StoredResponse, dump


async def keep(app: App, caller: Caller, turn: Turn, context: Context, document: Mapping[str, Any]) -> None:
    """Write the response, and what it adds to its conversation, in one commit. A failed one adds nothing there."""
    is_said = document["status"] in ("completed", "incomplete")
    if turn.is_stored or (turn.conversation_id is not None and is_said):
        await to_thread.run_sync(_write, app, caller, turn, context, document, is_said)


def _write(app: App, caller: Caller, turn: Turn, context: Context, document: Mapping[str, Any], is_said: bool) -> None:
    made, document = document, document if turn.guard is None else turn.guard.kept(document)
    inputs, outputs = context.inputs, document["output"]
    with app.database.write() as transaction:
        owners = [turn.id if turn.is_stored else None, turn.conversation_id]
        keep_placeholders(app, transaction, caller, turn.guard, owners)
        keep_sources(app, transaction, turn, caller.project_id, context, made)
        if turn.is_stored:
            Responses(app.database).add(transaction, stored(caller.project_id, document), inputs, outputs)
        if turn.conversation_id is not None and is_said:
            conversations = Conversations(app.database)
            conversations.append(transaction, caller.project_id, turn.conversation_id, [*inputs, *outputs])


def stored(project_id: str, document: Mapping[str, Any]) -> StoredResponse:
    """The row of a response."""
    conversation = document["conversation"]
    return StoredResponse(
        id=document["id"],
        project_id=project_id,
        created_at=document["created_at"],
        status=document["status"],
        previous_id=document["previous_response_id"],
        conversation_id=conversation["id"] if conversation else None,
        body=dump({**document, "output": []}),
    )

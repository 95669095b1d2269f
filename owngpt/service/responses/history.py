"""What went before a turn: earlier responses, a conversation, items that the input refers to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import NamedTuple

from anyio import to_thread

from owngpt.errors import ConnectorFailed, InvalidRequest
from owngpt.service.app import App, Caller
from owngpt.service.responses.input_files import limiter, read_files
from owngpt.service.responses.items import Item
from owngpt.service.responses.mcp.approvals import check_decisions
from owngpt.service.responses.mcp.measuring import with_tools
from owngpt.service.responses.private import mask_again
from owngpt.service.responses.rendering import check_calls
from owngpt.service.responses.sources import find_item, may_read
from owngpt.service.responses.truncation import fit
from owngpt.service.responses.turn import Context, Turn, seal_of
from owngpt.service.tiers import claim_of
from owngpt.service.workers import INLINE_COST
from owngpt.store.conversations import Conversations, no_conversation
from owngpt.store.responses import OPEN, OwnedItem, Responses
from owngpt.store.sources import Quoted, Sources

COUNT_COST = INLINE_COST  # a whole conversation is rendered: not on the event loop


class Remembered(NamedTuple):
    """A response that a connection knows: its whole conversation, and what is quoted there."""

    items: Sequence[Item]
    quoted: frozenset[Quoted] = frozenset()


Memory = Mapping[str, Remembered]  # by the ids of responses, stored or not


class Prepared(NamedTuple):
    """A turn whose response says what was left out of its context."""

    turn: Turn
    context: Context


async def prepare(app: App, caller: Caller, turn: Turn, memory: Memory | None = None) -> Prepared:
    """The whole conversation, as far as it fits where it may be cut.

    Raises `InvalidRequest` and `NotFound` for what is not there, or not any more.
    """
    if _needs_nothing(turn):
        context = _context(app, caller, turn, {})
    else:
        can_wait = turn.fields.get("background")
        if (places := limiter(app, turn.input)) is not None and not can_wait:
            await check_room(app, caller, turn)
        context = await to_thread.run_sync(_context, app, caller, turn, memory or {}, limiter=places)
    if turn.may_drop:
        context = await _fitted(app, caller, turn, context)
    if not context.dropped:
        return Prepared(turn, context)
    edit = {"type": "truncation", "summary": f"left out, oldest first: {', '.join(context.dropped)}"}
    return Prepared(replace(turn, fields={**turn.fields, "context_edits": [edit]}), context)


async def check_room(app: App, caller: Caller, turn: Turn) -> None:
    """Before what cannot be undone, or takes long (files that are read): raise what would be raised behind it now."""
    claim = claim_of(app.settings, caller, turn.tier, turn.patience)
    await app.limits.refresh(caller)
    app.limits.check(turn.model.name, claim, caller)


def _needs_nothing(turn: Turn) -> bool:
    """Whether everything is in the request: nothing has to be read for it."""
    if turn.previous_response_id is not None or turn.conversation_id is not None:
        return False
    parts = (part for item in turn.input for part in _parts(item))
    has_files = any(part["type"] == "input_file" for part in parts)
    return not has_files and all(item["type"] != "item_reference" for item in turn.input)


def _parts(item: Item) -> Sequence[Item]:
    parts = item.get("content") or item.get("output") or ()
    return parts if isinstance(parts, list) else ()


async def count(app: App, caller: Caller, turn: Turn, context: Context) -> int:
    """Tokens that the model would read. Raises `ConnectorFailed` for an MCP server whose tools are not known."""
    whole, seal = await with_tools(app, turn, context), seal_of(app, caller)
    return await app.workers.run(COUNT_COST, lambda: whole.prompt(context.items, seal).count(whole.model))


async def _fitted(app: App, caller: Caller, turn: Turn, context: Context) -> Context:
    """As much of the context as fits beside all tools. Where a server does not list its own, the answer says so."""
    try:
        whole = await with_tools(app, turn, context)
    except ConnectorFailed:
        return context
    return await app.workers.run(COUNT_COST, fit, whole, context, seal_of(app, caller))


def _context(app: App, caller: Caller, turn: Turn, memory: Memory) -> Context:
    before = _earlier(app, caller, turn, memory)
    earlier = mask_again(turn.guard, before.items)
    found = [_resolve(app, caller, item, earlier) for item in turn.input]
    inputs, owners = [item for _, item in found], {owner for owner, _ in found if owner}
    if any(item["type"] == "item_reference" for item in turn.input):
        inputs = mask_again(turn.guard, inputs)
    inputs = read_files(app, caller, inputs, turn.guard)
    known = {item["id"] for item in inputs}
    items = [*(item for item in earlier if item["id"] not in known), *inputs]
    check_calls(items)
    check_decisions(items, inputs)
    copied = (Sources(app.database).of(caller.project_id, owner) for owner in owners)
    return Context(items, inputs, quoted=before.quoted.union(*copied))


def _earlier(app: App, caller: Caller, turn: Turn, memory: Memory) -> Remembered:
    sources = Sources(app.database)
    if turn.conversation_id is not None:
        conversations = Conversations(app.database)
        is_there = conversations.find(caller.project_id, turn.conversation_id) is not None
        if not is_there or not may_read(app, caller, turn.conversation_id):
            raise no_conversation(turn.conversation_id)
        items = conversations.items(caller.project_id, turn.conversation_id)
        return Remembered(items, sources.of(caller.project_id, turn.conversation_id))
    if turn.previous_response_id is None:
        return Remembered(())
    if turn.previous_response_id in memory:
        return memory[turn.previous_response_id]
    if not may_read(app, caller, turn.previous_response_id):
        raise _no_response(turn.previous_response_id, turn.previous_response_id)
    items = _chain(app, caller.project_id, turn.previous_response_id)
    return Remembered(items, sources.of(caller.project_id, turn.previous_response_id))


def _chain(app: App, project_id: str, newest: str) -> list[Item]:
    """The items of a response and of all that it follows, oldest first. An item that comes twice stands once."""
    responses = Responses(app.database)
    chain: list[Sequence[Item]] = []
    next_id: str | None = newest
    while next_id is not None:
        response = responses.find(project_id, next_id)
        if response is None:
            raise _no_response(next_id, newest)
        if response.status in OPEN:
            raise InvalidRequest(
                f"Response '{next_id[:80]}' is {response.status}; wait until it has ended.",
                param="previous_response_id",
            )
        chain.append(own := responses.items(project_id, next_id))
        next_id = response.previous_id
        if response.conversation_id is not None:
            chain.append(_before(Conversations(app.database).items(project_id, response.conversation_id), own))
    return list({item["id"]: item for items in reversed(chain) for item in items}.values())


def _before(conversation: Sequence[Item], own: Sequence[Item]) -> Sequence[Item]:
    """What stood in a conversation when a response was made, whose own items these are."""
    ids = {item["id"] for item in own}
    return list(takewhile(lambda item: item["id"] not in ids, conversation))


def _no_response(missing: str, newest: str) -> InvalidRequest:
    why = "" if missing == newest else f" '{newest[:80]}' follows it, and it has been deleted."
    return InvalidRequest(
        f"Previous response with id '{missing[:80]}' not found.{why}",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def _resolve(app: App, caller: Caller, item: Item, earlier: Sequence[Item]) -> OwnedItem:
    """The item, or the one that it refers to, with its owner (empty: it was sent, or stands in the conversation)."""
    if item["type"] != "item_reference":
        return OwnedItem("", item)
    known = next((known for known in earlier if known["id"] == item["id"]), None)
    found = find_item(app, caller, item["id"]) if known is None else OwnedItem("", known)
    if found is None:
        raise InvalidRequest(
            f"Item with id '{item['id'][:80]}' not found. Items are not stored where 'store' is false; "
            "send the item itself.",
            param="input",
        )
    return found

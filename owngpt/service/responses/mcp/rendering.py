"""Items of MCP calls -> the messages that a model reads: calls, each with what came of it.

All calls of one pass of the model become one message again, so that what follows finds its tokens in the prefix cache.
Their items' ids begin with the same digits.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from owngpt.service.responses.items import ID_PREFIXES, Item
from owngpt.service.responses.mcp.catalog import visible_name
from owngpt.types import Message, ToolCall

UNDECIDED = "This call was not run: nobody has approved it."
_PASS_DIGITS = 24


def new_pass() -> str:
    """The beginning of the ids of one pass."""
    return secrets.token_hex(_PASS_DIGITS // 2)


def pass_item_id(type_: str, pass_id: str) -> str:
    """A new id for an item of a pass: as long as any other."""
    return f"{ID_PREFIXES[type_]}_{pass_id}{secrets.token_hex(24 - _PASS_DIGITS // 2)}"


def outcomes(items: Iterable[Item]) -> dict[str, str]:
    """What came of calls that had to be approved, by their requests' ids."""
    found: dict[str, str] = {}
    for item in items:
        if item["type"] == "mcp_call" and item.get("approval_request_id"):
            found[item["approval_request_id"]] = outcome(item)
        elif item["type"] == "mcp_approval_response" and not item["approve"]:
            reason = f" Their reason: {item['reason']}" if item.get("reason") else ""
            found[item["approval_request_id"]] = f"The user did not approve this call; it was not run.{reason}"
    return found


def outcome(call: Item) -> str:
    """What a call gave, as the model reads it."""
    error = call.get("error")
    if not error:
        return call.get("output") or ""
    return f"Error: {error if isinstance(error, str) else _error_text(error)}"


def add_call(messages: list[Message], item: Item, result: str) -> None:
    """A call, in the message that its pass has made, and what came of it."""
    call = ToolCall(item["id"], visible_name(item["server_label"], item["name"]), item["arguments"])
    place = _place(messages, item["id"])
    if place is None:
        messages.append(Message("assistant", tool_calls=(call,)))
    else:
        messages[place] = replace(messages[place], tool_calls=(*messages[place].tool_calls, call))
    messages.append(Message("tool", result, tool_call_id=call.id))


def in_call_order(messages: Sequence[Message]) -> list[Message]:
    """The same, with results in the order of the calls that they follow: some templates tell them apart by it."""
    ordered: list[Message] = []
    order: dict[str | None, int] = {}
    for message in messages:
        if message.role == "assistant":
            order = {call.id: number for number, call in enumerate(message.tool_calls)}
        at = len(ordered)
        if message.role == "tool" and message.tool_call_id in order:
            while (
                ordered[at - 1].role == "tool"
                and order.get(ordered[at - 1].tool_call_id, -1) > order[message.tool_call_id]
            ):
                at -= 1
        ordered.insert(at, message)
    return ordered


def _place(messages: Sequence[Message], item_id: str) -> int | None:
    """The message that the call belongs to: the last one, or the one whose calls are of the same pass."""
    place = len(messages) - 1
    while place >= 0 and messages[place].role == "tool":
        place -= 1
    if place < 0 or messages[place].role != "assistant":
        return None
    is_same = any(_pass(call.id) == _pass(item_id) for call in messages[place].tool_calls)
    return place if is_same or place == len(messages) - 1 else None


def _pass(item_id: str) -> str:
    return item_id.partition("_")[2][:_PASS_DIGITS]


def _error_text(error: Mapping[str, Any]) -> str:
    content = error.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return str(error.get("message") or content or "the call has failed")

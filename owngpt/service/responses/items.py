"""Items: what a conversation is made of here. JSON objects, as they are stored and as they go over the wire.

Whatever a client sends is brought into this form once (`server/schemas/responses/items.py`): each item has a `type`
and an `id`, a message's content is a list of parts.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

Item = dict[str, Any]

ID_PREFIXES: Mapping[str, str] = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "file_search_call": "fs",
    "mcp_list_tools": "mcpl",
    "mcp_call": "mcp",
    "mcp_approval_request": "mcpr",
    "mcp_approval_response": "mcpa",
    "compaction": "cmp",
}
CALLS: Mapping[str, str] = {  # the type of a call -> that of what the caller sends back
    "function_call": "function_call_output",
    "custom_tool_call": "custom_tool_call_output",
}
CALL_OF = {output: call for call, output in CALLS.items()}


def new_id(prefix: str) -> str:
    """An id that nothing else has: `msg_` and 48 hex digits."""
    return f"{prefix}_{secrets.token_hex(24)}"


def item_id(type_: str) -> str:
    """A new id for an item of this type."""
    return new_id(ID_PREFIXES[type_])


def text_message(role: str, text: str) -> Item:
    """A whole message of one text."""
    part = "output_text" if role == "assistant" else "input_text"
    extra: Item = {"annotations": [], "logprobs": []} if role == "assistant" else {}
    return {
        "type": "message",
        "id": item_id("message"),
        "status": "completed",
        "role": role,
        "content": [{"type": part, "text": text, **extra}],
    }


def is_user_message(item: Item) -> bool:
    return (item["type"], item.get("role")) == ("message", "user")


def text_of(parts: str | Sequence[Mapping[str, Any]]) -> str:
    """The text of a content or an output: its parts, one after the other."""
    if isinstance(parts, str):
        return parts
    return "".join(map(_part_text, parts))


def _part_text(part: Mapping[str, Any]) -> str:
    text: str = part.get("text") or part.get("refusal") or ""
    return f"\n\n{part['filename']}:\n\n{text}\n\n" if part["type"] == "input_file" else text

"""Items -> messages for a chat template.

What one pass of a model has made comes back as one message: its thinking, its words, its calls. So a follow-up renders
to the same tokens as the answer that it follows, and finds them in the prefix cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from owngpt.errors import InvalidRequest
from owngpt.service.responses.items import CALL_OF, Item, text_of
from owngpt.service.responses.mcp.rendering import UNDECIDED, add_call, in_call_order, outcome, outcomes
from owngpt.service.responses.seal import Seal
from owngpt.types import Message, ToolCall

WHOLE = "context"  # the kind of sealed summaries that stand for everything before them
SUMMARY = "This is a summary of the conversation so far:\n\n"


def to_messages(items: Iterable[Item], seal: Seal) -> list[Message]:
    """In order. Raises `InvalidRequest` for encrypted content that is not of this server and project."""
    items = _since_compaction(list(items), seal)
    messages: list[Message] = []
    decided = outcomes(items)
    asked = {item["id"] for item in items if item["type"] == "mcp_approval_request"}
    for item in items:
        match item["type"]:
            case "mcp_approval_request":
                add_call(messages, item, decided.get(item["id"], UNDECIDED))
            case "mcp_call" if item.get("approval_request_id") not in asked:
                add_call(messages, item, outcome(item))
            case _:
                _add(messages, item, seal)
    return in_call_order(messages)


class Summary(NamedTuple):
    """What a compaction item holds. `stands_for_all`: of what comes before it, only system messages are still shown."""

    text: str
    stands_for_all: bool


def summary_of(item: Item, seal: Seal) -> Summary:
    """Raises `InvalidRequest` for one that is not of this server and project."""
    sealed = item["encrypted_content"]
    try:
        return Summary(seal.open(sealed, WHOLE), stands_for_all=True)
    except InvalidRequest:
        return Summary(seal.open(sealed, "compaction"), stands_for_all=False)


def _since_compaction(items: list[Item], seal: Seal) -> list[Item]:
    """Without what the last summary of a whole conversation stands for."""
    for i in reversed(range(len(items))):
        if items[i]["type"] == "compaction" and summary_of(items[i], seal).stands_for_all:
            return [*(item for item in items[:i] if item.get("role") in ("system", "developer")), *items[i:]]
    return items


def check_calls(items: Sequence[Item]) -> None:
    """Raise `InvalidRequest` for the output of a call that is not there."""
    called: set[tuple[str, str]] = set()
    for item in items:
        if "call_id" in item and item["type"] not in CALL_OF:
            called.add((item["type"], item["call_id"]))
        if item["type"] in CALL_OF and (CALL_OF[item["type"]], item["call_id"]) not in called:
            raise InvalidRequest(
                f"No tool call found for {item['type'].replace('_', ' ')} with call_id {item['call_id'][:64]}.",
                param="input",
            )


def _add(messages: list[Message], item: Item, seal: Seal) -> None:
    match item["type"]:
        case "message":
            _add_message(messages, item)
        case "reasoning":
            if text := reasoning_text(item, seal):
                messages.append(Message("assistant", reasoning=text))
        case "function_call":
            _add_call(messages, ToolCall(item["call_id"], item["name"], item["arguments"]))
        case "custom_tool_call":
            _add_call(messages, ToolCall(item["call_id"], item["name"], item["input"], "custom"))
        case "function_call_output" | "custom_tool_call_output":
            messages.append(Message("tool", text_of(item["output"]), tool_call_id=item["call_id"]))
        case "compaction":
            messages.append(Message("user", SUMMARY + summary_of(item, seal).text))
        case _:
            pass  # file_search_call: its passages were shown to the answer that they were searched for


def _add_message(messages: list[Message], item: Item) -> None:
    text = text_of(item["content"])
    last = messages[-1] if messages else None
    if item["role"] == "assistant" and last and last.role == "assistant" and not (last.content or last.tool_calls):
        messages[-1] = replace(last, content=text)
    else:
        messages.append(Message(item["role"], text))


def _add_call(messages: list[Message], call: ToolCall) -> None:
    if messages and messages[-1].role == "assistant":
        messages[-1] = replace(messages[-1], tool_calls=(*messages[-1].tool_calls, call))
    else:
        messages.append(Message("assistant", tool_calls=(call,)))


def reasoning_text(item: Item, seal: Seal) -> str:
    """What was thought: sealed, in the open, or as the summary that is the thinking itself."""
    if item.get("encrypted_content"):
        return seal.open(item["encrypted_content"], "reasoning")
    return text_of(item.get("content") or item.get("summary") or ())

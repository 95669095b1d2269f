"""OpenAI's files for tuning: JSON Lines of conversations, and of pairs of answers. Knows the layout, not what for.

Layouts: platform.openai.com/docs/api-reference/fine-tuning (chat input, preference input).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from owngpt.errors import SetupError
from owngpt.training.conversations import Conversation
from owngpt.types import Message, Tool, ToolCall

ROLES = ("system", "developer", "user", "assistant", "tool")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Preference:
    """Of two answers to the same messages, the one that people liked better."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    preferred: Message
    other: Message


def read_conversations(path: Path) -> Iterator[Conversation]:
    """Lines with `messages`, perhaps `tools`, and perhaps a `weight` of 0 on messages that are not to be learned."""
    return read_lines(path, _conversation)


def read_preferences(path: Path) -> Iterator[Preference]:
    """Lines with `input.messages`, `preferred_output` and `non_preferred_output`, one assistant message each."""
    return read_lines(path, _preference)


def read_lines(path: Path, of: Callable[[Any], T]) -> Iterator[T]:
    """What `of` makes of each line's JSON; `SetupError` names the line and the field that is wrong."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield of(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
            raise SetupError(f"{path}, line {number}: {reason}; see OpenAI's format for fine-tuning") from error


def _conversation(item: Any) -> Conversation:
    messages = to_messages(item["messages"], "messages")
    weights = [fields.get("weight", 1) for fields in item["messages"]]
    for place, weight in enumerate(weights):
        if weight not in (0, 1):
            raise ValueError(f"messages[{place}].weight is {weight!r}; it must be 0 or 1")
    if not any(message.role == "assistant" and weight for message, weight in zip(messages, weights, strict=True)):
        raise ValueError("messages has nothing of the assistant to learn")
    unlearned = frozenset(place for place, weight in enumerate(weights) if not weight)
    return Conversation(messages, _tools(item.get("tools")), unlearned)


def _preference(item: Any) -> Preference:
    asked = item["input"]
    preferred, other = (_output(item, name) for name in ("preferred_output", "non_preferred_output"))
    return Preference(to_messages(asked["messages"], "input.messages"), _tools(asked.get("tools")), preferred, other)


def _output(item: Any, name: str) -> Message:
    messages = to_messages(item[name], name)
    if len(messages) != 1 or messages[0].role != "assistant":
        raise ValueError(f"{name} must be one assistant message")
    return messages[0]


def to_messages(items: Any, where: str) -> tuple[Message, ...]:
    """The messages of a request; `ValueError` names what is wrong below `where`."""
    if not isinstance(items, list) or not items:
        raise ValueError(f"{where} must be a list of messages")
    return tuple(_message(fields, f"{where}[{place}]") for place, fields in enumerate(items))


def _message(fields: Any, where: str) -> Message:
    if fields["role"] not in ROLES:
        raise ValueError(f"{where}.role is {fields['role']!r}; it must be one of {', '.join(ROLES)}")
    calls = tuple(
        ToolCall(call.get("id", f"call_{place}"), call["function"]["name"], call["function"]["arguments"])
        for place, call in enumerate(fields.get("tool_calls") or ())
    )
    content = _text(fields.get("content"), where)
    if not content and not calls:
        raise ValueError(f"{where}.content is empty")
    call_id, name = fields.get("tool_call_id"), fields.get("name")
    return Message(fields["role"], content, tool_calls=calls, tool_call_id=call_id, name=name)


def _text(content: Any, where: str) -> str:
    """A text, or the texts of its parts."""
    if isinstance(content, list) and all(part.get("type") == "text" for part in content):
        return "".join(part["text"] for part in content)
    if content is None or isinstance(content, str):
        return content or ""
    raise ValueError(f"{where}.content must be text")


def _tools(items: Any) -> tuple[Tool, ...]:
    functions = [item["function"] for item in items or ()]
    return tuple(Tool(one["name"], one.get("description", ""), one.get("parameters")) for one in functions)

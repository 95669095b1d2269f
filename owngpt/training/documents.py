"""A document of the corpus: plain text or a conversation, where it comes from, and whether it is held out.

Knows how documents are stored (JSON Lines) and split; does not know the sources they are read from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from owngpt.errors import SetupError
from owngpt.types import Message, Tool, ToolCall

HELD_OUT_ONE_IN = 100  # groups per held-out group


@dataclass(frozen=True, slots=True)
class Document:
    """One training document.

    `group` names what must stay on one side of the split: the file, chapter, paragraph or sentence it was made from.
    A conversation has `messages` (and perhaps `tools`) and no `text`.
    """

    source: str
    group: str
    text: str = ""
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()

    @property
    def fingerprint(self) -> bytes:
        """The same for two documents that differ in white space only."""
        words = " ".join(self.text.split()) if self.text else json.dumps(to_json(self)["messages"])
        return sha256(words.encode()).digest()[:16]


def is_held_out(document: Document) -> bool:
    """Whether a document's group falls into the held-out split.

    Depends on the group's name alone, so what two sources make of one page stays together.
    """
    digest = sha256(document.group.encode()).digest()
    return int.from_bytes(digest[:8]) % HELD_OUT_ONE_IN == 0


def to_json(document: Document) -> dict[str, Any]:
    """The document as a JSON object, without empty fields."""
    fields: dict[str, Any] = {"source": document.source, "group": document.group}
    if document.text:
        fields["text"] = document.text
    if document.messages:
        fields["messages"] = [_message_to_json(message) for message in document.messages]
    if document.tools:
        fields["tools"] = [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in document.tools
        ]
    return fields


def from_json(fields: dict[str, Any]) -> Document:
    """The inverse of `to_json`."""
    return Document(
        fields["source"],
        fields["group"],
        fields.get("text", ""),
        tuple(_message_from_json(message) for message in fields.get("messages", ())),
        tuple(Tool(**tool) for tool in fields.get("tools", ())),
    )


def write_documents(path: Path, documents: Iterable[Document]) -> None:
    """Write one JSON object per line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(to_json(document), ensure_ascii=False) + "\n" for document in documents)


def read_documents(path: Path) -> Iterator[Document]:
    """Read what `write_documents` wrote; `SetupError` names a file that is missing or broken."""
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield from_json(json.loads(line))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetupError(f"corpus file {path} cannot be read: {error}; build it with `owngpt train corpus`") from error


def _message_to_json(message: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        fields["tool_calls"] = [{"name": call.name, "arguments": call.arguments} for call in message.tool_calls]
    return fields


def _message_from_json(fields: dict[str, Any]) -> Message:
    calls = tuple(
        ToolCall(f"call_{index}", call["name"], call["arguments"])
        for index, call in enumerate(fields.get("tool_calls", ()))
    )
    return Message(fields["role"], fields["content"], tool_calls=calls)

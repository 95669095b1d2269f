"""A document of the corpus: plain text or a conversation, and where it comes from.

Knows how documents are stored (JSON Lines); does not know the sources they are read from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, overload

from owngpt.errors import SetupError
from owngpt.types import Message, Tool, ToolCall

MIN_KEY = 12  # letters
Kind = Literal["english", "japanese", "code", "chat"]


@dataclass(frozen=True, slots=True)
class Document:
    """One training document.

    `group` names what must stay on one side of the split: the file, chapter, paragraph or sentence it was made from.
    A conversation has `messages` (and perhaps `tools`) and no `text`. `keys` are short texts that must not be on both
    sides of the split either, such as the two sentences of a translation; they are not stored.
    """

    source: str
    group: str
    text: str = ""
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    keys: tuple[str, ...] = field(default=(), compare=False)

    @property
    def content(self) -> str:
        """What it says: the text, or what was said in the conversation, without system prompts."""
        said = (message.content for message in self.messages if message.role != "system")
        return self.text or "\n".join(said)

    @property
    def num_characters(self) -> int:
        """Of the text, or of a conversation's messages."""
        return len(self.text) + sum(len(message.content) for message in self.messages)

    @property
    def fingerprint(self) -> bytes:
        """The same for two documents that differ in white space only."""
        words = " ".join(self.text.split()) if self.text else json.dumps(to_json(self)["messages"])
        return sha256(words.encode()).digest()[:16]


def key_of(text: str) -> str:
    """A text as a key: without case, white space and punctuation."""
    return "".join(filter(str.isalnum, text.lower()))


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


def keys_of(*texts: str) -> tuple[str, ...]:
    """The keys of texts that are long enough to be nobody else's by chance."""
    return tuple(key for key in map(key_of, texts) if len(key) >= MIN_KEY)


def write_documents(path: Path, documents: Iterable[Document]) -> None:
    """Write one JSON object per line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(to_json(document), ensure_ascii=False) + "\n" for document in documents)


def read_documents(path: Path) -> Iterator[Document]:
    """Read what `write_documents` wrote; `SetupError` names a file that is missing or broken."""
    with _reading(path), path.open(encoding="utf-8") as file:
        for line in file:
            yield from_json(json.loads(line))


class DocumentFile(Sequence[Document]):
    """What `write_documents` wrote, read document by document where it lies. Errors are those of `read_documents`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _reading(path), path.open("rb") as file:
            self._ends = list(accumulate(map(len, file)))

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> Document: ...
    @overload
    def __getitem__(self, index: slice) -> list[Document]: ...
    def __getitem__(self, index: int | slice) -> Document | list[Document]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        with _reading(self._path), self._path.open("rb") as file:
            file.seek(self._ends[place - 1] if place else 0)
            return from_json(json.loads(file.readline()))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
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

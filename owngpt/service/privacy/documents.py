"""The strings of a JSON document: each with its path, and how to put others in their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from owngpt.service.privacy.finder import is_identifier
from owngpt.trust.pii import Entity

Key = tuple[object, ...]
_AS_THEY_ARE = frozenset({"file_data", "encrypted_content"})  # not text: what they hold is read, and masked, later
_OF_SERVERS = frozenset({"server_url", "authorization", "headers"})  # they are sent as they are, and kept nowhere
_MARKS = frozenset({"id", "item_id", "call_id", "file_id", "type", "role", "status", "object", "model"})
_NAMES = frozenset({"name", "server_label"})
_LEAST_NUMBER = 10**9  # smaller whole numbers identify nobody


@dataclass(frozen=True, slots=True)
class Text:
    """A string (or a key, or a long number as text) of a document."""

    key: Key  # where it stands
    path: str  # the same, as the wire says it
    text: str
    label: str = ""  # what it is called there

    @property
    def is_mark(self) -> bool:
        """Whether it says what something is, and not what somebody said."""
        return bool(self.key) and (self.key[-1] is dict or self.key[-1] in _MARKS)

    def relevant(self, entities: Sequence[Entity]) -> list[Entity]:
        """Without names of people in what names a function, and without parts of a number."""
        if self.key and self.key[-1] in _NAMES and is_identifier(self.text) and not self.path.startswith("messages["):
            return [entity for entity in entities if entity.type != "PERSON"]
        if self.key and self.key[-1] is int:
            return [entity for entity in entities if len(entity) == len(self.text)]
        return list(entities)


def walk(document: Any, where: str = "") -> list[Text]:
    """All texts of a document, in order."""
    return list(_walk(document, (), where))


def _walk(value: Any, key: Key, path: str) -> Iterator[Text]:
    if isinstance(value, str):
        yield Text(key, path, value, _label(key))
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in _AS_THEY_ARE or (not key and name == "model") or _is_of_server(value, key, name):
                continue
            yield Text((*key, name, dict), f"{path}.{name}".removeprefix("."), name)
            yield from _walk(item, (*key, name), f"{path}.{name}".removeprefix("."))
    elif isinstance(value, list):
        if not all(type(item) is int for item in value):  # token ids
            for i, item in enumerate(value):
                yield from _walk(item, (*key, i), f"{path}[{i}]")
    elif type(value) is int and value >= _LEAST_NUMBER and len(key) > 1:
        yield Text((*key, int), path, str(value), _label(key))


def _is_of_server(tool: Mapping[str, Any], key: Key, name: str) -> bool:
    """Whether this is the address of an MCP server, or opens it."""
    return name in _OF_SERVERS and tool.get("type") == "mcp" and len(key) == 2 and key[0] == "tools"


def _label(key: Key) -> str:
    """The key of an object is a part of the context of its value, as far as it is a word."""
    name = key[-1] if key else ""
    return name if isinstance(name, str) and name not in ("content", "text", "input") and len(name) <= 40 else ""


@dataclass(frozen=True, slots=True)
class Masked:
    """Texts to put in place of others."""

    texts: Mapping[Key, str]

    def apply(self, document: Any) -> Any:
        """The document with them; what has no new text stays."""
        return self._apply(document, ())

    def _apply(self, value: Any, key: Key) -> Any:
        if isinstance(value, str):
            return self.texts.get(key, value)
        if isinstance(value, dict):
            return {self.texts.get((*key, name, dict), name): self._apply(v, (*key, name)) for name, v in value.items()}
        if isinstance(value, list):
            return [self._apply(item, (*key, i)) for i, item in enumerate(value)]
        if type(value) is int:
            new = self.texts.get((*key, int), str(value))
            return value if new == str(value) else new
        return value


class Unmask(Protocol):
    """Placeholders of a text -> values."""

    def __call__(self, text: str, *, as_json: bool = False) -> str: ...


def restored(document: Any, unmask: Unmask, *, as_json: bool = False) -> Any:
    """The document with values in place of placeholders. Arguments of functions are JSON inside of JSON."""
    if isinstance(document, str):
        return unmask(document, as_json=as_json)
    if isinstance(document, list):
        return [restored(item, unmask, as_json=as_json) for item in document]
    if not isinstance(document, dict):
        return document
    is_delta = str(document.get("type", "")).endswith("arguments.delta")
    new = {
        name: restored(value, unmask, as_json=name == "arguments" or (is_delta and name == "delta"))
        for name, value in document.items()
    }
    marks, text = new.get("annotations"), document.get("text")
    for mark in marks if isinstance(marks, list) and isinstance(text, str) else ():
        if isinstance(mark, dict) and isinstance(index := mark.get("index"), int):
            mark["index"] = len(unmask(str(text)[:index]))
    return new

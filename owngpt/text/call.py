"""One tool call, read from JSON text while it is being written: `{"name": ..., "arguments": {...}}`.

Knows JSON and the names of the tools, not how calls are marked in a text (`output.py` does).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from owngpt.types import Tool


class Status(Enum):
    """How reading stands."""

    MORE = "the text may go on"
    DONE = "complete"
    BAD = "what comes next does not belong here"


class Entry(NamedTuple):
    """What stands before a value in an object: its key; None is the object's end."""

    key: str | None
    length: int


_STRUCTURE = frozenset('{}[]:,"')
_PLAIN = re.compile(r"[0-9A-Za-z+\-.\s]+")
_STRING = re.compile(r'[^"\\]+')
_SPACE = re.compile(r"\s*")
_KEY = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class ValueScanner:
    """Where a JSON value ends. Checks its brackets and strings, not its every comma."""

    def __init__(self) -> None:
        self._closers: list[str] = []
        self._in_string = self._is_escaped = self._has_begun = False

    def scan(self, text: str) -> tuple[int, Status]:
        """How many characters of `text` belong to the value."""
        position = 0
        while position < len(text):
            step, status = self._step(text, position)
            position += step
            if status is not Status.MORE:
                return position, status
        return position, Status.MORE

    def _step(self, text: str, at: int) -> tuple[int, Status]:
        character = text[at]
        if self._in_string:
            return self._string_step(text, at)
        if character not in _STRUCTURE:
            plain = _PLAIN.match(text, at)
            self._has_begun = True
            return (plain.end() - at, Status.MORE) if plain else (0, Status.BAD)
        if not self._closers and self._has_begun:  # a number or word ends before it
            return 0, Status.DONE
        self._has_begun = True
        if character == '"':
            self._in_string = True
        elif character in "{[":
            self._closers.append("}" if character == "{" else "]")
        elif character in "}]":
            if not self._closers or self._closers.pop() != character:
                return 0, Status.BAD
            return 1, Status.MORE if self._closers else Status.DONE
        elif not self._closers:
            return 0, Status.BAD
        return 1, Status.MORE

    def _string_step(self, text: str, at: int) -> tuple[int, Status]:
        if self._is_escaped:
            self._is_escaped = False
        elif text[at] == "\\":
            self._is_escaped = True
        elif text[at] == '"':
            self._in_string = False
            return 1, Status.MORE if self._closers else Status.DONE
        elif run := _STRING.match(text, at):
            return run.end() - at, Status.MORE
        return 1, Status.MORE


def read_entry(text: str, is_first: bool) -> Entry | Status:
    """The next key of an object with its colon, or the object's end."""
    at = _skip_space(text, 0)
    if text[at : at + 1] == "}":
        return Entry(None, at + 1)
    if not is_first:
        if text[at : at + 1] != ",":
            return Status.BAD if at < len(text) else Status.MORE
        at = _skip_space(text, at + 1)
    key = _KEY.match(text, at)
    if key is None:
        return Status.BAD if text[at : at + 1] not in ("", '"') else Status.MORE
    at = _skip_space(text, key.end())
    if text[at : at + 1] != ":":
        return Status.BAD if at < len(text) else Status.MORE
    at = _skip_space(text, at + 1)
    if at == len(text):
        return Status.MORE
    name = _loads(key[0])
    return Entry(name, at) if isinstance(name, str) else Status.BAD


class CallReader:
    """Reads one call object. `tool` is set once the call is certain; from then on arguments come out as they go in."""

    def __init__(self, arguments_key: str, tools: Mapping[str, Tool], *, needs_arguments: bool) -> None:
        self._arguments_key = arguments_key
        self._tools = tools
        self._needs_arguments = needs_arguments
        self._key: str | None = None
        self._is_open = self._has_entries = False
        self._scanner = ValueScanner()
        self._value = ""  # of the entry being read; of arguments, what cannot be given out yet
        self._name: str | None = None
        self._arguments: str | None = None  # complete, but the name has not come yet
        self.tool: Tool | None = None
        self.has_raw_input = False  # the input of a custom tool follows the object as plain text

    def read(self, text: str) -> tuple[int, str, Status]:
        """Read what can be: characters consumed, arguments text that came out, and how reading stands."""
        position, out, status = 0, "", Status.MORE
        while status is Status.MORE:
            step, emitted, status = self._step(text[position:])
            position, out = position + step, out + emitted
            if step == 0:
                break
        return position, out, status

    def _step(self, text: str) -> tuple[int, str, Status]:
        if not self._is_open:
            self._is_open = True
            return (1, "", Status.MORE) if text[:1] == "{" else (0, "", Status.BAD)
        if self._key is not None:
            return self._read_value(text)
        entry = read_entry(text, not self._has_entries)
        if isinstance(entry, Status):
            return 0, "", entry
        if entry.key is None:
            return entry.length, *self._close()
        self._key, self._has_entries, self._value, self._scanner = entry.key, True, "", ValueScanner()
        is_bad = self._key == self._arguments_key and (self.tool is not None or self._arguments is not None)
        return (0, "", Status.BAD) if is_bad else (entry.length, "", Status.MORE)

    def _read_value(self, text: str) -> tuple[int, str, Status]:
        if self._key == self._arguments_key and self._streams(text):
            self.tool = self._tools[self._name or ""]
        length, status = self._scanner.scan(text)
        is_live = self._key == self._arguments_key and self.tool is not None
        out = text[:length] if is_live else ""
        self._value += "" if is_live else text[:length]
        if status is Status.DONE:
            key, self._key = self._key, None
            out, status = (out, Status.MORE) if is_live else self._entry_done(key)
        return length, out, status

    def _streams(self, text: str) -> bool:
        """An object as the arguments of a known function comes out as it is; all else is read to its end first."""
        tool = self._tools.get(self._name or "")
        return tool is not None and tool.type == "function" and not self._value and text[:1] == "{"

    def _entry_done(self, key: str | None) -> tuple[str, Status]:
        if key == "name":
            name = _loads(self._value)
            if not isinstance(name, str) or name not in self._tools or self._name is not None:
                return "", Status.BAD
            self._name = name
        elif key == self._arguments_key:
            self._arguments = self._value
        if self._name is None or self._arguments is None or self.tool is not None:
            return "", Status.MORE
        arguments = normalized(self._arguments, self._tools[self._name])
        if arguments is None:
            return "", Status.BAD
        self.tool = self._tools[self._name]
        return arguments, Status.MORE

    def _close(self) -> tuple[str, Status]:
        if self.tool is None:
            tool = self._tools.get(self._name or "")
            if tool is None or (self._needs_arguments and tool.type == "function"):
                return "", Status.BAD
            self.tool, self.has_raw_input = tool, tool.type == "custom"
            return ("" if self.has_raw_input else "{}"), Status.DONE
        return "", Status.DONE


def normalized(arguments: str, tool: Tool) -> str | None:
    """Arguments as the caller gets them: an object's text (some models quote it), or a custom tool's input."""
    value = _loads(arguments)
    if isinstance(value, str) and tool.type == "function":
        arguments, value = value, _loads(value)
    if tool.type == "custom":
        given = value.get("input") if isinstance(value, dict) else value
        return given if isinstance(given, str) else None
    if value is None and arguments == "null":
        return "{}"
    return arguments if isinstance(value, dict) else None


def _skip_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    assert space is not None, "it matches nothing as well"
    return space.end()


def _loads(text: str) -> object:
    """The JSON value, or None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

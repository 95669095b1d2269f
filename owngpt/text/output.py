"""A model's text, as it streams -> reasoning, content and tool calls. Pure text; knows no tokens and no wire.

No text is lost: what looks like a call and is none comes back as content. What comes out does not depend on how the
text was cut into pieces; only white space around reasoning and calls is dropped.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from owngpt.text.call import CallReader, Status
from owngpt.text.family import Family
from owngpt.text.matcher import Matcher
from owngpt.types import Tool


@dataclass(frozen=True, slots=True)
class ContentDelta:
    """More of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """A call whose name is known. `index` counts the calls of this answer."""

    index: int
    id: str
    name: str
    type: Literal["function", "custom"]

    @classmethod
    def of(cls, tool: Tool, index: int) -> ToolCallStart:
        """With an id that no other call has."""
        return cls(index, f"call_{secrets.token_hex(12)}", tool.name, tool.type)


@dataclass(frozen=True, slots=True)
class ToolCallArguments:
    """More of a call's arguments (of a custom tool: its input), as generated."""

    index: int
    text: str


OutputDelta = ContentDelta | ReasoningDelta | ToolCallStart | ToolCallArguments


class OutputParser:
    """One answer. Feed it the texts of its token events; without tools there are no calls, only text."""

    def __init__(self, family: Family, tools: Sequence[Tool] = ()) -> None:
        self._format = family.tools
        self._tools = {tool.name: tool for tool in tools}
        self._think = family.think
        openers = [mark for mark in (self._format.open_mark, self._format.optional_mark) if mark and tools]
        self._openers = Matcher(openers)
        self._state: Callable[[], bool] = self._begin
        self._pending = ""  # text that has come and was not understood yet
        self._space = ""  # white space that is content only if content follows
        self._raw = ""  # of a call that is not certain yet: its text, mark included
        self._call: CallReader | None = None
        self._num_calls = 0
        self._held = ""  # of a custom tool's input: a line break that is part of it only if more follows
        self._is_thinking = self._is_final = False
        self._has_content = self._has_reasoning = self._has_input = False
        self._deltas: list[OutputDelta] = []

    def feed(self, text: str, *, is_thinking: bool = False) -> list[OutputDelta]:
        """Take the text of one event; `is_thinking` as the engine says it."""
        self._pending += text
        self._is_thinking = is_thinking
        return self._run()

    def finish(self) -> list[OutputDelta]:
        """The end of the text: give out what was held back."""
        self._is_final = True
        deltas = self._run()
        if self._space and not self._num_calls:
            deltas.append(ContentDelta(self._space))
        return deltas

    def _run(self) -> list[OutputDelta]:
        while self._state():
            pass
        deltas, self._deltas = self._deltas, []
        return deltas

    # Each state reads from `_pending`, gives out deltas, and says whether it made progress.

    def _begin(self) -> bool:
        """Before the first character that counts: is it a thought?"""
        text = self._pending.lstrip()
        if self._think is None:
            self._state = self._answer
            return True
        if text.startswith(self._think[0]):
            self._pending = text[len(self._think[0]) :]
        elif _may_become(text, self._think[0]) and not self._is_final:
            return False
        elif not self._is_thinking or self._is_final:
            self._state = self._answer
            return True
        self._state = self._reasoning
        return True

    def _reasoning(self) -> bool:
        assert self._think is not None
        text, self._pending, is_closed = split_at(self._pending, self._think[1], self._is_final)
        text = self._space + text if self._has_reasoning else text.lstrip()
        shown = text.rstrip()
        self._space = text[len(shown) :]
        if shown:
            self._has_reasoning = True
            self._deltas.append(ReasoningDelta(shown))
        if is_closed or self._is_final:
            self._space, self._state = "", self._answer
        return is_closed

    def _answer(self) -> bool:
        """The first character of the answer: a format without an open mark begins a call with an object."""
        text = self._pending.lstrip()
        if self._tools and not self._format.open_mark:
            if text.startswith("{"):
                self._raw, self._pending, self._state = self._pending[: -len(text)], text, self._block
                return True
            if not text and not self._is_final:
                return False
        self._state = self._content
        return True

    def _content(self) -> bool:
        if not self._pending:
            return False
        node, match = self._openers.scan(self._pending, self._openers.root)
        if match is None:
            cut = len(self._pending) - (0 if self._is_final else node.depth)
            text, self._pending = self._pending[:cut], self._pending[cut:]
            self._show(text)
            return False
        self._show(self._pending[: match.end - len(match.string)])
        self._raw, self._pending, self._state = match.string, self._pending[match.end :], self._block
        return True

    def _block(self) -> bool:
        """Between an open mark and a call, or after a call."""
        text = self._pending.lstrip()
        close = self._format.close_mark
        self._raw += self._pending[: len(self._pending) - len(text)] if self._raw else ""
        self._pending = text
        if text.startswith("{"):
            needs_arguments = not self._format.open_mark
            self._call = CallReader(self._format.arguments_key, self._tools, needs_arguments=needs_arguments)
            self._state = self._object
            return True
        if close and text.startswith(close) and not self._raw:
            self._pending, self._state = text[len(close) :], self._content
            return True
        if text and text[0] in self._format.skipped:
            self._raw += text[0] if self._raw else ""
            self._pending = text[1:]
            return True
        if not self._is_final and (not text or (close and _may_become(text, close))):
            return False
        return self._give_up()

    def _object(self) -> bool:
        assert self._call is not None
        was_certain = self._call.tool is not None
        length, arguments, status = self._call.read(self._pending)
        consumed, self._pending = self._pending[:length], self._pending[length:]
        if self._call.tool is None:
            self._raw += consumed
            return self._give_up() if status is Status.BAD or self._is_final else False
        if not was_certain:
            self._start(self._call.tool)
        if arguments:
            self._deltas.append(ToolCallArguments(self._num_calls - 1, arguments))
        if status is Status.MORE:
            self._pending = "" if self._is_final else self._pending
            return False
        self._state = self._raw_input if self._call.has_raw_input else self._block
        return True

    def _raw_input(self) -> bool:
        """A custom tool's input as plain text, up to the close mark; a line break at either side is not part of it."""
        if not self._pending and not self._is_final:
            return False
        if not self._has_input:
            self._has_input, self._pending = True, self._pending.removeprefix("\n")
        text, self._pending, is_closed = split_at(self._pending, self._format.close_mark, self._is_final)
        text, is_over = self._held + text, is_closed or self._is_final
        shown = text.removesuffix("\n")
        self._held = "" if is_over else text[len(shown) :]
        if shown:
            self._deltas.append(ToolCallArguments(self._num_calls - 1, shown))
        if is_over:
            self._has_input, self._state = False, self._content
        return is_closed

    def _start(self, tool: Tool) -> None:
        self._raw = ""
        self._deltas.append(ToolCallStart.of(tool, self._num_calls))
        self._num_calls += 1

    def _give_up(self) -> bool:
        """It is no call: what was read of it is content, and reading goes on as content."""
        raw, self._raw, self._call = self._raw, "", None
        self._show(raw)
        self._state = self._content
        return True

    def _show(self, text: str) -> None:
        text, self._space = self._space + text, ""
        if not self._has_content and (self._think or self._num_calls):
            text = text.lstrip()
        shown = text.rstrip() if self._tools else text
        self._space = text[len(shown) :]
        if shown:
            self._has_content = True
            self._deltas.append(ContentDelta(shown))


def _may_become(text: str, mark: str) -> bool:
    return len(text) < len(mark) and mark.startswith(text)


def split_at(text: str, mark: str, is_final: bool) -> tuple[str, str, bool]:
    """What stands before the mark, what stands after it (or may become it), and whether it is there."""
    before, found, after = text.partition(mark) if mark else (text, "", "")
    if found or is_final or not mark:
        return before, after, bool(found)
    held = next(n for n in range(min(len(mark) - 1, len(text)), -1, -1) if mark.startswith(text[len(text) - n :]))
    return text[: len(text) - held], text[len(text) - held :], False

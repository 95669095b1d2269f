"""A text of messages with headers (harmony), as it streams -> reasoning, content and tool calls.

No text is lost but that of headers: what calls a function that nobody offered is content. What comes out does not
depend on how the text was cut into pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

from owngpt.text.call import normalized
from owngpt.text.harmony import CHANNEL, END, MESSAGE, START, Header, may_be_header, read_header
from owngpt.text.output import ContentDelta, OutputDelta, ReasoningDelta, ToolCallArguments, ToolCallStart, split_at
from owngpt.types import Tool


class MessageParser:
    """One answer. Feed it the texts of its token events, with `is_thinking` as the engine says it.

    The engine counts all marks as thinking, so in the body of an answer or a call only such text can hold one.
    """

    def __init__(self, tools: Sequence[Tool] = ()) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._pending = ""  # text that has come and was not understood yet
        self._header: Header | None = None  # of the message whose body is read; None: a header comes
        self._tool: Tool | None = None  # that it calls
        self._input: str | None = None  # of a custom tool, as JSON, as far as it has come
        self._num_calls = 0
        self._has_text = False  # of this message
        self._shown: set[type[OutputDelta]] = set()  # what earlier messages said
        self._is_final = False
        self._deltas: list[OutputDelta] = []

    def feed(self, text: str, *, is_thinking: bool = False) -> list[OutputDelta]:
        """Take the text of one event."""
        self._pending += text
        while self._step(is_thinking):
            pass
        deltas, self._deltas = self._deltas, []
        return deltas

    def finish(self) -> list[OutputDelta]:
        """The end of the text: give out what was held back."""
        self._is_final = True
        deltas = self.feed("")
        self._close()
        deltas, self._deltas = [*deltas, *self._deltas], []
        return deltas

    def _step(self, is_marked: bool) -> bool:
        """Read a header, or what has come of a body; whether something else may follow."""
        if self._header is None:
            return self._read_header()
        text, is_closed = self._pending, False
        if is_marked or (self._tool is None and (self._header.is_thought or self._header.channel == "commentary")):
            text, self._pending, is_closed = split_at(self._pending, END, self._is_final)
        else:
            self._pending = ""
        self._say(text)
        if is_closed:
            self._close()
        return is_closed

    def _read_header(self) -> bool:
        head, rest, is_whole = split_at(self._pending, MESSAGE, is_final=False)
        if may_be_header(head) and is_whole:
            self._open(read_header(head))
            self._pending = rest
            return True
        if may_be_header(head) and not self._is_final:
            return False
        if may_be_header(head) and head.lstrip().startswith((START, CHANNEL)):  # cut short, so nobody knows what of
            self._pending = ""
            return False
        self._open(Header())  # it is none: all of it was said
        return bool(self._pending)

    def _open(self, header: Header) -> None:
        self._header, self._has_text = header, False
        self._tool = self._tools.get(header.function or "")
        if self._tool is not None:
            self._deltas.append(ToolCallStart.of(self._tool, self._num_calls))
            self._num_calls += 1
            is_raw = self._tool.grammar is not None and not header.is_json
            self._input = None if self._tool.type == "function" or is_raw else ""

    def _say(self, text: str) -> None:
        assert self._header is not None
        if not text:
            return
        if self._tool is None:
            self._show(ReasoningDelta if self._header.is_thought else ContentDelta, text)
        elif self._input is not None:
            self._input += text
        else:
            self._argue(text)

    def _show(self, kind: type[ContentDelta | ReasoningDelta], text: str) -> None:
        """Messages of one kind stand apart by an empty line."""
        if not self._has_text and kind in self._shown:
            text = f"\n\n{text}"
        self._has_text = True
        self._shown.add(kind)
        self._deltas.append(kind(text))

    def _argue(self, text: str) -> None:
        self._has_text = True
        self._deltas.append(ToolCallArguments(self._num_calls - 1, text))

    def _close(self) -> None:
        """The end of a body."""
        if self._tool is not None:
            if self._input:
                self._argue(normalized(self._input, self._tool) or self._input)
            elif not self._has_text and self._tool.type == "function":
                self._argue("{}")
        self._header = self._tool = self._input = None

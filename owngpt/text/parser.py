"""The parser of what a family writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from owngpt.text.family import Family
from owngpt.text.messages import MessageParser
from owngpt.text.output import OutputDelta, OutputParser
from owngpt.types import Tool


class Parser(Protocol):
    """Reads one answer: reasoning, content and tool calls."""

    def feed(self, text: str, *, is_thinking: bool = False) -> list[OutputDelta]:
        """Take the text of one event; `is_thinking` as the engine says it."""
        ...

    def finish(self) -> list[OutputDelta]:
        """The end of the text: give out what was held back."""
        ...


def make_parser(family: Family, tools: Sequence[Tool] = ()) -> Parser:
    """For one answer of a model of this family; without tools there are no calls, only text."""
    return MessageParser(tools) if family.is_harmony else OutputParser(family, tools)

"""Brackets, strings and comments of a language: just enough to know what is open at a place. No grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

OPENERS, CLOSERS = "([{", ")]}"
CLOSER_OF = dict(zip(OPENERS, CLOSERS, strict=True))
OPENER_OF = dict(zip(CLOSERS, OPENERS, strict=True))
_LINE_END = "\n"  # what a comment of one line goes on to

Kind = Literal["open", "close", "unmatched", "string", "string end", "torn", "comment", "comment end"]


class State(NamedTuple):
    """What is open at a place: brackets, outermost first, and what ends the string or comment that it is in."""

    opens: str = ""
    until: str = ""  # "": it is in code
    is_comment: bool = False

    @property
    def is_in_string(self) -> bool:
        return bool(self.until) and not self.is_comment


START = State()


class Step(NamedTuple):
    """Where something opens or closes, and the state behind it. `torn`: a string that its line's end has ended."""

    position: int
    kind: Kind
    state: State


@dataclass(frozen=True)
class Lexis:
    """How a language writes that in which brackets do not count. `comments` and `literals` are regular expressions."""

    comments: tuple[str, ...] = ()  # to the end of the line
    block_comments: tuple[tuple[str, str], ...] = ()
    strings: tuple[str, ...] = ()  # quotes of strings that end with their line
    long_strings: tuple[str, ...] = ()  # quotes of those that do not
    literals: tuple[str, ...] = ()  # what has a quote in it and is no string, such as Rust's '"'

    def steps(self, text: str, state: State = START) -> Iterator[Step]:
        """Everything that opens or closes in a text that begins in `state`."""
        position = 0
        while (found := self._pattern(state).search(text, position)) is not None:
            position = found.end()
            kind, state = self._after(found, state)
            if kind is not None:
                yield Step(found.start(), kind, state)

    def after(self, text: str, state: State = START) -> State:
        """The state behind a text that begins in `state`."""
        for step in self.steps(text, state):
            state = step.state
        return state

    def _pattern(self, state: State) -> re.Pattern[str]:
        if not state.until:
            return self._code
        if state.is_comment:
            return _pattern_of((re.escape(state.until),))
        ends = (r"\\.", re.escape(state.until))
        return _pattern_of(ends if state.until in self.long_strings else (*ends, _LINE_END))

    def _after(self, found: re.Match[str], state: State) -> tuple[Kind | None, State]:
        text = found[0]
        if state.until:
            return _inside(text, state)
        if text in OPENERS:
            return "open", State(state.opens + text)
        if text in CLOSERS:
            if state.opens[-1:] == OPENER_OF[text]:
                return "close", State(state.opens[:-1])
            return "unmatched", state
        if found.lastgroup == "comment":
            return "comment", State(state.opens, _LINE_END, is_comment=True)
        if found.lastgroup == "block":
            return "comment", State(state.opens, dict(self.block_comments)[text], is_comment=True)
        return ("string", State(state.opens, text)) if found.lastgroup == "string" else (None, state)

    @cached_property
    def _code(self) -> re.Pattern[str]:
        quotes = sorted((*self.long_strings, *self.strings), key=len, reverse=True)
        parts = {
            "literal": self.literals,
            "string": [re.escape(quote) for quote in quotes],
            "comment": self.comments,
            "block": [re.escape(start) for start, _ in self.block_comments],
            "bracket": [r"[()\[\]{}]"],
        }
        return _pattern_of([f"(?P<{name}>{'|'.join(some)})" for name, some in parts.items() if some])


def _inside(text: str, state: State) -> tuple[Kind | None, State]:
    """In a string or comment, at what may end it."""
    outside = State(state.opens)
    if text == state.until:
        return ("comment end" if state.is_comment else "string end"), outside
    return ("torn", outside) if text == _LINE_END else (None, state)


def _pattern_of(parts: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(parts), re.DOTALL)  # `re` keeps what it has compiled


def balance(lexis: Lexis, pieces: Sequence[str]) -> int:
    """How much is open or closed too often in a text, and how many strings are torn; 0 is in order."""
    state, wrong = State(), 0
    for piece in pieces:
        for step in lexis.steps(piece, state):
            state = step.state
            wrong += step.kind in ("unmatched", "torn")
    return wrong + len(state.opens) + state.is_in_string


def quiet_lines(lexis: Lexis, text: str, state: State = START) -> list[int]:
    """Where the lines begin that begin in code with no bracket open."""
    starts, position = [], 0
    for step in lexis.steps(text, state):
        if not state.until and not state.opens:
            starts += _line_starts(text, position, step.position)
        position, state = step.position + 1, step.state
        if step.kind in ("comment end", "torn") and text[step.position] == _LINE_END and not state.opens:
            starts.append(step.position + 1)
    return starts + (_line_starts(text, position, len(text)) if not state.until and not state.opens else [])


def _line_starts(text: str, start: int, end: int) -> list[int]:
    """Of lines that begin between the two, and of the first one if it begins the text."""
    first = [0] if start == 0 else []
    return first + [found.end() for found in re.compile(_LINE_END).finditer(text, start, end)]

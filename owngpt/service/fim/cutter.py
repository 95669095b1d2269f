"""Cutter: of what a model says for a gap, the part that is offered. Works on text that comes in pieces.

It ends where the line or the block ends, before a bracket or quote that is closed behind the gap, before the text runs
into what stands there already, and where it begins to repeat itself. What is offered passes a `Check`; where the whole
does not, the longest part of whole lines that does is offered, or nothing. What was given out is never taken back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from owngpt.service.fim.checks import Check
from owngpt.service.fim.gap import Gap, width
from owngpt.service.fim.language import PLAIN
from owngpt.service.fim.lexis import CLOSERS, State

Mode = Literal["line", "block"]
_SAME = 4  # characters that a line has at least, to be taken for a repetition
_LOOP = re.compile(r"(?P<again>[^\n]{2,16}?)(?P=again){7,}$")  # what small models fall into
_LOOP_WINDOW = 136  # characters in which it is seen
_FENCE = "```"  # ends code for a model that was tuned to chat


def mode_of(gap: Gap, mode: Literal["auto", "line", "block"]) -> Mode:
    """A line where code stands behind the gap on its line; else what was asked for, a block if nothing was."""
    return "line" if mode == "line" or gap.tail.strip() else "block"


class Cutter:
    """One completion. `feed` gives out what is sure to stay; `finish` the rest."""

    def __init__(self, gap: Gap, check: Check, mode: Mode) -> None:
        self._gap, self._check, self._mode = gap, check, mode
        self._text = ""
        self._num_shown = 0
        self._num_checked = 0  # what was found to be no offer yet, or was shown
        self._end: int | None = None  # where it has to end
        self._line, self._state = 0, gap.state  # where the line begins that is read now, and what is open there
        self._floor = len(gap.state.opens)  # brackets that were never closed: what is open above it was opened here
        self._content_end = 0  # of the last line with something on it
        self._last_line = ""  # that one
        self._is_apart = False  # a blank line stands behind it
        self._base = width(gap.head)  # columns; deeper lines belong to the block
        self._has_siblings = not gap.head.strip()  # so do lines at its own depth, up to a blank line

    @property
    def is_done(self) -> bool:
        """Whether nothing more of the text is wanted."""
        return self._end is not None

    def feed(self, text: str) -> str:
        """Take more of the text."""
        if self.is_done:
            return ""
        self._text += text
        self._read(is_all=False)
        if self._mode == "line" or self.is_done or self._content_end <= self._num_checked:
            return ""
        self._num_checked = self._content_end
        offer = self._text[: self._content_end]
        is_header = offer.rstrip().endswith(":")  # its body may turn out to be none
        return self._show(offer) if not is_header and self._check.accepts(offer) else ""

    def finish(self) -> str:
        """The end of the text."""
        if not self.is_done:
            self._read(is_all=True)
        whole = self._text[: self._end].rstrip()
        return next((self._show(offer) for offer in self._offers(whole) if self._check.accepts(offer)), "")

    def _show(self, offer: str) -> str:
        shown = offer[self._num_shown :]
        self._num_shown = len(offer)
        return shown

    def _read(self, *, is_all: bool) -> None:
        """Go through the lines that have come since, until one is where it ends. `is_all`: no more will come."""
        while self._end is None:
            newline = self._text.find("\n", self._line)
            line = self._text[self._line :] if newline < 0 else self._text[self._line : newline]
            is_whole = is_all or newline >= 0
            if self._is_elsewhere(line, is_whole=is_whole) or _is_loop(line):
                self._end = self._content_end
            elif (end := self._overrun(line)) is not None:
                self._end = end
            elif newline < 0:
                return
            else:
                self._close(line, newline)

    def _is_elsewhere(self, line: str, *, is_whole: bool) -> bool:
        """Whether this line is no part of what is offered."""
        if not line.strip() or (self._line == 0 and self._gap.head.strip()):
            return False
        is_fence = line.lstrip().startswith(_FENCE) and self._gap.language is not PLAIN
        if is_fence or (is_whole and self._is_known(line)):
            return True
        return self._line > 0 and bool(self._content_end) and (self._mode == "line" or self._leaves(line))

    def _is_known(self, line: str) -> bool:
        """Whether it stands behind the gap, or was the last thing said."""
        whole = (self._gap.head + line if self._line == 0 else line).rstrip()
        is_repeated = len(whole.strip()) >= _SAME and whole.strip() == self._last_line.strip()
        return is_repeated or whole == self._gap.next_line

    def _leaves(self, line: str) -> bool:
        """Whether it stands outside the block."""
        depth = width(line)
        if self._is_inside(self._state):
            return False
        if self._is_closing_word(line):
            return depth < self._base
        if self._has_siblings:
            return depth < self._base or (depth == self._base and self._is_apart)
        return depth <= self._base

    def _overrun(self, line: str) -> int | None:
        """Where the line closes what is closed behind the gap."""
        state, least = self._state, len(self._gap.state.opens) - self._gap.num_closable
        for step in self._gap.language.lexis.steps(line, state):
            is_first_quote = state == self._gap.state and self._gap.is_quote_closed
            is_too_much = step.kind == "unmatched" or (step.kind == "close" and len(step.state.opens) < least)
            if is_too_much or (step.kind == "string end" and is_first_quote):
                return self._line + step.position
            state = step.state
        return None

    def _close(self, line: str, newline: int) -> None:
        """Go on behind a whole line."""
        opened = self._state
        for step in self._gap.language.lexis.steps(line + "\n", opened):
            self._state = step.state
            self._floor = min(self._floor, len(step.state.opens))
        if line.strip():
            self._note(line, newline)
            if self._is_end(line, opened):
                self._end = newline
        else:
            self._is_apart = self._content_end > 0
        self._line = newline + 1

    def _note(self, line: str, newline: int) -> None:
        """A line that belongs to it."""
        if self._content_end == 0 and (self._line > 0 or self._has_siblings):
            depth = width(self._gap.head + line if self._line == 0 else line)
            self._has_siblings = not self._gap.head.strip() or depth <= self._base  # else it is what the head opens
            self._base = depth if self._has_siblings else self._base
        self._content_end, self._last_line, self._is_apart = newline, line, False

    def _is_end(self, line: str, opened: State) -> bool:
        """Whether it ends with this line, so that the next one need not be waited for."""
        if self._mode == "line":
            return True
        if self._has_siblings or self._is_inside(self._state):
            return False
        if self._line > 0:
            is_closed = self._is_inside(opened) and line.strip()[:1] in CLOSERS
            return is_closed or (self._is_closing_word(line) and width(line) == self._base)
        return self._gap.language.has_colon_blocks and self._opens_nothing(line)

    def _is_closing_word(self, line: str) -> bool:
        return line.strip().rstrip(";") in self._gap.language.ends

    def _is_inside(self, state: State) -> bool:
        """Whether a bracket is open that was opened here, or a string."""
        is_in_own_string = state.is_in_string and not self._gap.state.is_in_string
        return len(state.opens) > self._floor or is_in_own_string

    def _opens_nothing(self, line: str) -> bool:
        """Whether no colon opens a block at the end of a line, behind which there may be a comment."""
        steps = self._gap.language.lexis.steps(line, State())
        code = next((line[: step.position] for step in steps if step.kind == "comment"), line)
        return not code.rstrip().endswith((":", "\\"))

    def _offers(self, whole: str) -> Iterator[str]:
        """What may be offered, the best first; nothing that would take back what was given out."""
        ends = [end for end in range(len(whole) - 1, 0, -1) if whole[end] == "\n"] if self._mode == "block" else []
        for offer in (*self._joined(whole), *(whole[:end].rstrip() for end in ends)):
            if len(offer) > self._num_shown and offer.strip():
                yield offer

    def _joined(self, whole: str) -> list[str]:
        """With what stands behind the gap on its line: said again or not, and if the line is new, above it."""
        tail = self._gap.tail
        if not tail.strip():
            return [whole]
        size = next((n for n in range(min(len(whole), len(tail)), 0, -1) if whole.endswith(tail[:n])), 0)
        trimmed = whole[: len(whole) - size]
        is_text = any(character.isalnum() for character in tail[:size])
        above = [] if self._gap.head.strip() else [f"{whole}\n{self._gap.head}"]
        return [*([trimmed, whole] if is_text else [whole, trimmed]), *above]


def _is_loop(line: str) -> bool:
    """Whether a line says the same eight times in a row; rules of one character are none."""
    found = _LOOP.search(line[-_LOOP_WINDOW:])
    return found is not None and len(set(found["again"])) > 1

"""Python in a gap: whether the statement around it still parses, by the standard library's own parser.

Whole files take too long to be parsed for each line that comes, so only a window is: the function around the gap, or
the statement that is indented as little as any. Where a window begins and ends is known from the lexis. What stands
before and behind it are whole statements of the same block, which nothing that parses in the window can break.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from functools import cached_property
from threading import Lock
from typing import NamedTuple

from owngpt.service.fim.fillers import python_fillers
from owngpt.service.fim.gap import Gap
from owngpt.service.fim.lexis import State, quiet_lines

_GOES_ON = re.compile(r"(?:else|elif|except|finally|case)\b|[)\]}#]")  # no statement begins so
_FUNCTION = re.compile(r"(?:async\s+)?def\b")
_MAX_TRIED = 150_000  # characters that are parsed in search of something that fits
_filters = Lock()  # Python's warning filters belong to the whole process


class PythonCheck:
    """A window of the file around the gap, which can be parsed alone: its lines are indented by `indent` or more."""

    def __init__(self, before: str, behind: str, indent: str) -> None:
        self._before = f"if _:\n{before}" if indent else before
        self._behind = f"{behind}\n{indent}pass\n"  # what follows is of the same block

    @classmethod
    def of(cls, gap: Gap) -> PythonCheck | None:
        """None where nothing in the gap seems to make the file parse, so that parsing tells nothing."""
        return next((check for check in _windows(gap) if check._can_parse(gap)), None)

    def accepts(self, middle: str) -> bool:
        """Whether it parses.

        Where the file did not parse before, the line that opens a block may be all that is written of it.
        """
        if self._parses(middle):
            return True
        return not self._was_whole and middle.rstrip().endswith(":") and self._parses(f"{middle} pass")

    @cached_property
    def _was_whole(self) -> bool:
        return self._parses("")

    def _can_parse(self, gap: Gap) -> bool:
        num_tries = max(4, _MAX_TRIED // (len(self._before) + len(self._behind)))
        tries = (filler for _, filler in zip(range(num_tries), python_fillers(gap), strict=False))
        return self._was_whole or any(map(self._parses, tries))

    def _parses(self, middle: str) -> bool:
        return parses(self._before + middle + self._behind)


def parses(text: str) -> bool:
    """Whether this is Python, as this interpreter knows it. What it warns of is nobody's concern here."""
    try:
        with _filters, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


class _Line(NamedTuple):
    """A line on which a statement begins."""

    start: int
    indent: int  # characters
    is_function: bool


def _windows(gap: Gap) -> Iterator[PythonCheck]:
    """The narrowest first."""
    lines = _statements(gap, gap.prefix, gap.start)
    starts = [start for start in (_function(lines, gap), _outermost(lines)) if start is not None]
    for line in dict.fromkeys(starts):
        before = gap.prefix[line.start :]
        yield PythonCheck(before, gap.suffix[: _end(gap, line.indent)], before[: line.indent])


def _statements(gap: Gap, text: str, state: State) -> list[_Line]:
    """Lines that begin a statement, as far as the lexis can tell."""
    lines = []
    for start in quiet_lines(gap.language.lexis, text, state):
        end = text.find("\n", start)
        line = text[start:] if end < 0 else text[start:end]
        code = line.lstrip()
        if code and not _GOES_ON.match(code) and not text[:start].endswith("\\\n"):
            lines.append(_Line(start, len(line) - len(code), _FUNCTION.match(code) is not None))
    return lines


def _function(lines: list[_Line], gap: Gap) -> _Line | None:
    """The innermost function that nothing before the gap has ended."""
    lowest = len(gap.head) - len(gap.head.lstrip())
    for line in reversed(lines):
        if line.is_function and line.indent <= lowest:
            return line
        lowest = min(lowest, line.indent)
    return None


def _outermost(lines: list[_Line]) -> _Line | None:
    """The last statement of those that are indented as little as any."""
    return min(reversed(lines), key=lambda line: line.indent, default=_Line(0, 0, is_function=False))


def _end(gap: Gap, indent: int) -> int:
    """Where behind the gap the first statement begins that is indented no further."""
    inside = State("", gap.state.until, gap.state.is_comment)
    following = _statements(gap, gap.suffix, inside)
    return next((line.start for line in following if line.start and line.indent <= indent), len(gap.suffix))

"""Fillers: short texts of which one fits into almost any gap. If none does, the file is broken elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from owngpt.service.fim.gap import Gap, width
from owngpt.service.fim.lexis import CLOSER_OF

JSON_FILLERS = ("", "null", '"k":null', ":null", ",null", "null,", ',"k":null', '"k":null,', '":null', '"', 'k":null')
TOML_FILLERS = ("", "0", "k=0", "=0", " = 0", '"', "'", '""', "]", ",0", "k]", "0\n")
_LINES = "pass", "if _:", "if _:pass", "try:pass", "@_", "_", "def _():"  # statements and what opens them
_ENDS = (  # of a statement or of the line that opens a block
    *("_", "_:", "=", "=_", "=_:", "._", "._:", ":", ":pass", "_:pass", "(_)", "(_):", "():", "():pass", "_=_", "_,"),
    *(" _", " _:", " in _", " in _:", " in _:pass", " as _", " as _:", " import _", " if _", "if _:", " else _"),
)


def closed(gap: Gap) -> tuple[str, str]:
    """What ends the string that the gap is in, and closes the brackets; only what the suffix leaves open."""
    quote = gap.state.until if gap.state.is_in_string and not gap.is_quote_closed else ""
    return quote, "".join(CLOSER_OF[opener] for opener in gap.state.opens[::-1][: gap.num_closable])


def data_fillers(gap: Gap, fillers: tuple[str, ...]) -> Iterator[str]:
    """For formats of which no line stands alone."""
    quote, closers = closed(gap)
    for filler in fillers:
        yield quote + filler + closers
        yield filler + quote + closers


def python_fillers(gap: Gap) -> Iterator[str]:
    """For Python; the likeliest first."""
    quote, closers = closed(gap)
    if not gap.head.strip():
        yield from _lines(gap)
    if quote or closers:
        yield quote + closers
        yield f"_{quote}{closers}"
    if gap.missing_openers:
        yield from (f"{start}{gap.missing_openers}_" for start in ("_", "", "_=", "=", "def _", "_, _"))
        yield from (f"{start}{gap.missing_openers}" for start in ("_", "", "_=", "="))
    for end in _ENDS:
        yield quote + end + closers
        if quote or closers:
            yield quote + closers + end
            yield f"_{quote}{closers}{end}"


def _lines(gap: Gap) -> Iterator[str]:
    """A line of its own, indented as the next one needs it."""
    missing = width(gap.next_line) - width(gap.head)
    paddings = dict.fromkeys(pad for pad in (0, missing, missing - 4, missing - 2) if pad >= 0)
    for pad in paddings:
        yield from (" " * pad + line for line in _LINES)

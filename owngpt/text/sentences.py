"""Where sentences end, in Japanese and in English. Only positions: nothing is normalized."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CLOSING = "」』）】〕》〉〟\\)\\]\"'”’"
_END = re.compile(
    rf"(?:[。｡！？]|．(?![0-9０-９]))[。｡！？…]*[{_CLOSING}]*"  # no space follows
    rf"|(?:(?<![!?])[!?]++|(?<!\.)\.++|…)[{_CLOSING}]*+(?=\s|$)"  # a run is looked at once, however long
    r"|\n"
)
# words that end in a full stop and do not end a sentence
_ABBREVIATED = """
mr mrs ms dr prof rev gen sen rep gov sgt capt lt col hon jr sr st mt ft e.g i.e eg ie cf vs viz ca approx
no nos fig figs eq eqs sec secs ch chap vol vols ed eds pp para art al inc ltd co corp dept univ assn bros
jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun u.s u.k u.n u.s.a a.m p.m
"""
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())
_LAST_WORD = re.compile(r"([^\s(\[\"'“‘「（]+)\.$")
_QUOTE_GOES_ON = re.compile("[とはもがをにのだで、，]")  # 「行く。」と言った is one sentence


def sentences(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """(start, end) of each sentence of `text[start:end]`, without the blanks around it; blank ones are left out.

    A line end also ends a sentence, unless the next line goes on in lower case: what is set in lines (verse, lists,
    titles) has no other mark.
    """
    begins, limit = start, len(text) if end is None else end
    for match in _END.finditer(text, start, limit):
        if not _is_inside(text, match, limit):
            yield from _trimmed(text, begins, match.end())
            begins = match.end()
    yield from _trimmed(text, begins, limit)


def _is_inside(text: str, match: re.Match[str], limit: int) -> bool:
    """Whether the sentence goes on behind what looks like its end."""
    mark = match.group()
    after = text[match.end() : min(limit, match.end() + 2)]
    if mark == "\n":
        return after[:1].islower()
    if mark[-1] in "」』）" and _QUOTE_GOES_ON.match(after):
        return True
    if mark[0] == "." and len(mark) == 1 and (word := _LAST_WORD.search(text, max(0, match.end() - 24), match.end())):
        name = word[1]
        return name.lower() in _ABBREVIATIONS or (len(name) == 1 and name.isupper()) or after[1:].islower()
    return mark[0] in ".…" and after[1:].islower()


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end

"""Sentences of a text as spans of its characters: wrapped lines are one, and what is endless is cut."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from owngpt.text.sentences import sentences

MAX_SENTENCE = 800  # characters; what is longer is cut where a clause ends
_WRAPPED = 40  # characters from which on a line without a full stop may go on in the next one; 20 of Japanese
_ENDED = re.compile(r"[.!?。！？｡:：|]\W*$")
_ITEM = re.compile(r"[-*•・●○■□◆#|>]|\d+[.)．、]|[①-⑳]")
_WIDE = re.compile(r"[\u3040-\u9fff]")
_CLAUSE = re.compile(r"[;:,、；：，]\s*|\s+")


class Span(NamedTuple):
    """`text[start:end]`."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """What stands there."""
        return text[self.start : self.end]


def split_sentences(text: str) -> list[Span]:
    """In order, without the white space around them."""
    joined: list[Span] = []
    for start, end in sentences(text):
        if joined and _goes_on(text, joined[-1], start):
            joined[-1] = Span(joined[-1].start, end)
        else:
            joined.append(Span(start, end))
    return [part for span in joined for part in _cut(text, span)]


def _goes_on(text: str, span: Span, start: int) -> bool:
    """Whether the line that begins at `start` continues the sentence: a full line has just been broken."""
    between = text[span.end : start]
    if between.count("\n") != 1 or _ENDED.search(text, span.start, span.end) or _ITEM.match(text, start):
        return False
    line = text[text.rfind("\n", 0, span.end) + 1 : span.end]
    return len(line) + len(_WIDE.findall(line)) >= _WRAPPED


def _cut(text: str, span: Span) -> Iterator[Span]:
    """A span that is too long, in pieces."""
    start = span.start
    while span.end - start > MAX_SENTENCE:
        ends = [hit.end() for hit in _CLAUSE.finditer(text, start + MAX_SENTENCE // 2, start + MAX_SENTENCE)]
        end = ends[-1] if ends else start + MAX_SENTENCE
        yield Span(start, start + len(text[start:end].rstrip()))
        start = end
    yield Span(start, span.end)

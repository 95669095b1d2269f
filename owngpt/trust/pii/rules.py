"""Rules: a pattern, how sure it makes us, a check that its match must pass, and words nearby that make us surer.

Every pattern is written so that it takes time in proportion to the text: repetitions are bounded, no two neighbours
can read the same character, and a look behind keeps a match from beginning inside what another attempt has read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from owngpt.trust.pii.entity import Entity

BEFORE, AFTER = 48, 16  # characters in which words of the context count
DIGITS = "0123456789"


@dataclass(frozen=True, slots=True)
class Rule:
    """The group `pii` of each match (or all of it) is an entity of this type, unless `check` says no.

    With a `context` nearby the score is `lifted`; right behind `unless` there is no entity. Rules read normalized text.
    """

    type: str
    source: str
    pattern: re.Pattern[str]
    score: float
    check: Callable[[str], bool] | None = None
    context: re.Pattern[str] | None = None
    lifted: float = 0.0
    unless: re.Pattern[str] | None = None
    needs: str = DIGITS  # one of these is in every match; where there is none, nothing is looked for. Empty: no such

    def find(self, text: str) -> Iterator[Entity]:
        """All matches."""
        if self.needs and not any(character in text for character in self.needs):
            return
        group = "pii" if "pii" in self.pattern.groupindex else 0
        for match in self.pattern.finditer(text):
            start, end = match.span(group)
            if start < end and self._holds(text, start, match[group]):
                yield Entity(start, end, self.type, self._score(text, start, end), self.source)

    def _holds(self, text: str, start: int, found: str) -> bool:
        if self.unless is not None and self.unless.search(text[max(0, start - BEFORE) : start]):
            return False
        return self.check is None or self.check(found)

    def _score(self, text: str, start: int, end: int) -> float:
        if self.context is None:
            return self.score
        nearby = text[max(0, start - BEFORE) : start] + "\n" + text[end : end + AFTER]
        return self.lifted if self.context.search(nearby) else self.score


def words(*alternatives: str) -> re.Pattern[str]:
    """A context: any of these, whatever their case. ASCII words stand alone; others may touch their neighbours."""
    bounded = [rf"(?<![a-z]){word}(?![a-z])" if word.isascii() else word for word in alternatives]
    return re.compile("|".join(bounded), re.IGNORECASE)

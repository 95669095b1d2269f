"""Rules: a pattern, how sure it makes us, a check that its match must pass, and words nearby that make us surer.

Every pattern is written so that it takes time in proportion to the text: repetitions are bounded, no two neighbours
can read the same character, and a look behind keeps a match from beginning inside what another attempt has read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from owngpt.trust.pii.entity import Entity
from owngpt.trust.pii.window import Window, lowered

BEFORE, AFTER = 48, 16  # characters in which words of the context count


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
    digits: int = 1  # so many are in each match, close together: where there are fewer, nothing is looked for
    needs: Sequence[str] = ()  # one of these is in each match, in whatever case; empty: no such

    def find(self, window: Window) -> Iterator[Entity]:
        """All matches."""
        if window.digits < self.digits or (self.needs and not window.has(self.needs)):
            return
        text = window.text
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
        is_lifted = self.context is not None and stands_near(self.context, text, start, end)
        return self.lifted if is_lifted else self.score


def words(*alternatives: str) -> re.Pattern[str]:
    """A context: any of these, in small letters. ASCII words stand alone; others may touch their neighbours."""
    plain = "|".join(word for word in alternatives if word.isascii())
    others = [word for word in alternatives if not word.isascii()]
    return re.compile("|".join([*others, rf"(?<![a-z])(?:{plain})(?![a-z])"]))


def stands_near(context: re.Pattern[str], text: str, start: int, end: int, before: int = BEFORE) -> bool:
    """Whether one of the words stands beside `text[start:end]`, in whatever case."""
    nearby = f"{text[max(0, start - before) : start]}\n{text[end : end + AFTER]}"
    return context.search(lowered(nearby)) is not None

"""The detector: every recognizer over normalized text, in windows, in a time that is bounded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from owngpt.trust.pii import contact, english_addresses, japanese_addresses, numbers, personal
from owngpt.trust.pii.english_names import EnglishNames
from owngpt.trust.pii.entity import Accept, Entity, Recognizer, resolve
from owngpt.trust.pii.japanese_names import JapaneseNames
from owngpt.trust.pii.normalize import normalize
from owngpt.trust.pii.phones import Phones
from owngpt.trust.pii.presidio import NationalIds
from owngpt.trust.pii.window import Window

WINDOW, OVERLAP = 16_384, 512  # characters; what is longer than the overlap may be cut at a window's end


class DetectionTimeout(Exception):
    """It took too long. Says nothing of the text."""


def recognizers() -> tuple[Recognizer, ...]:
    """All of ours."""
    rules = (*numbers.RULES, *contact.RULES, *personal.RULES, *japanese_addresses.RULES, *english_addresses.RULES)
    return (*rules, Phones(), JapaneseNames(), EnglishNames(), NationalIds())


class Detector:
    """Finds personal data. Without state, so any thread may use it; equal texts have equal entities."""

    def __init__(self, parts: Sequence[Recognizer] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = recognizers() if parts is None else parts
        self._types = sorted({part.type for part in self._parts})
        self._clock = clock

    def find(self, text: str, accept: Accept, deadline: float | None = None) -> list[Entity]:
        """Entities of the text that `accept` takes, in order, without overlaps; positions are the text's own.

        Raises `DetectionTimeout` after `deadline`, on the clock of `time.monotonic`.
        """
        normalized = normalize(text)
        found = []
        wanted = {kind for kind in self._types if accept(kind, 1.0)}
        parts = [part for part in self._parts if part.type in wanted]
        for entity in self._all(normalized.text, parts, deadline):
            if accept(entity.type, entity.score):
                start, end = normalized.span(entity.start, entity.end)
                found.append(Entity(start, end, entity.type, entity.score, entity.source))
        return resolve(found)

    def _all(self, text: str, parts: Sequence[Recognizer], deadline: float | None) -> Iterator[Entity]:
        for offset in range(0, max(1, len(text)), WINDOW):
            begin = max(0, offset - OVERLAP)
            window = Window(text[begin : offset + WINDOW + OVERLAP])
            for part in parts:
                if deadline is not None and self._clock() > deadline:
                    raise DetectionTimeout
                for entity in part.find(window):
                    yield Entity(begin + entity.start, begin + entity.end, entity.type, entity.score, entity.source)

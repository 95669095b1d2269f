"""Looking for personal data under a policy: what fails is never taken for clean. No content in logs or messages."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from owngpt.errors import PrivacyError
from owngpt.service.privacy.policy import Policy
from owngpt.service.privacy.vault import LITERAL, PLACEHOLDER, Secret
from owngpt.trust.pii import Detector, Entity
from owngpt.trust.pii.entity import resolve

logger = logging.getLogger(__name__)

_FILLER = "\ue000"  # private use: no pattern reads it
_LONG, _LONG_NAME, _LONG_KANJI = 6, 5, 3  # characters from which a value is looked for everywhere
MAX_ECHOES = 500  # values that are looked for everywhere
_ESCAPE = re.compile(r"\\u[0-9A-Fa-f]{4}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds what a policy is about. Raises `PrivacyError` when that fails, or takes longer than `seconds`."""

    policy: Policy
    detector: Detector = field(default_factory=Detector)
    seconds: float = 20.0

    def deadline(self) -> float:
        """For all the texts of one request."""
        return time.monotonic() + self.seconds

    def find(
        self, text: str, deadline: float, *, label: str = "", known: Callable[[str], object] | None = None
    ) -> list[Entity]:
        """Entities in order, without overlaps, and what looks like a placeholder (its type is `LITERAL`).

        `label` is what the text is called where it stands (the key of a JSON object), as a part of its context.
        Placeholders that are `known` (where that is given) are ours: they are left as they are.
        """
        marks = list(PLACEHOLDER.finditer(text))
        ours = [mark.span() for mark in marks if known is not None and known(mark[0])]
        literals = [Entity(*m.span(), LITERAL, 1.0, "placeholder") for m in marks if m.span() not in ours]
        hidden = PLACEHOLDER.sub(lambda match: _FILLER * len(match[0]), text) if marks else text
        prefix = f"{label}: " if label else ""
        try:
            found = self.detector.find(prefix + hidden, self.policy.accepts, deadline)
        except Exception as error:
            logger.error("personal data could not be looked for: %s", type(error).__name__)
            raise PrivacyError() from None
        return outside(resolve([*literals, *_shifted(found, len(prefix))]), ours)


def _shifted(entities: Iterable[Entity], length: int) -> Iterable[Entity]:
    """Without a prefix of that length."""
    for entity in entities:
        if entity.end > length:
            start = max(0, entity.start - length)
            yield Entity(start, entity.end - length, entity.type, entity.score, entity.source)


def outside(entities: Sequence[Entity], ours: Sequence[tuple[int, int]]) -> list[Entity]:
    """The entities without what lies in these spans."""
    for start, end in ours:
        entities = [
            replace(entity, start=a, end=b)
            for entity in entities
            for a, b in ((entity.start, min(entity.end, start)), (max(entity.start, end), entity.end))
            if a < b
        ]
    return list(entities)


Forms = Sequence[tuple[str, str]]  # what to look for, and its type


def telling_forms(secrets: Iterable[Secret]) -> Forms:
    """Values that are long enough to be nothing else, also where nothing around says what they are."""
    telling = [secret for secret in secrets if secret.kind != LITERAL and _is_telling(secret)]
    return [(secret.value, secret.kind) for secret in telling[:MAX_ECHOES]]


def all_forms(secrets: Iterable[Secret]) -> Forms:
    """Every value of the caller's, also as JSON writes it: for what is stored, where one too many does no harm."""
    own = [secret for secret in secrets if secret.kind != LITERAL and secret.is_own and len(secret.value) > 1]
    forms = {form: secret.kind for secret in own for form in _written_ways(secret.value)}
    return list(forms.items())


def echoes(text: str, forms: Forms) -> list[Entity]:
    """Where values that were found elsewhere stand again."""
    return [
        Entity(*span, kind, 1.0, "echo") for form, kind in forms if form in text for span in _standing_alone(form, text)
    ]


def _written_ways(value: str) -> tuple[str, ...]:
    return value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]


def _standing_alone(value: str, text: str) -> Iterator[tuple[int, int]]:
    """Where the value stands, and is no part of a longer word or number."""
    start = text.find(value)
    while start != -1:
        end = start + len(value)
        is_inside = _is_word(text[end : end + 1]) and _is_word(value[-1])
        is_inside = is_inside or (_is_word(text[start - 1 : start]) and _is_word(value[0]))
        if not is_inside or _ESCAPE.fullmatch(text, max(0, start - 6), start):
            yield start, end
        start = text.find(value, end)


def _is_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _is_telling(secret: Secret) -> bool:
    """Whether the value is long enough to be nothing else."""
    if secret.kind == "PERSON":
        return len(secret.value) >= (_LONG_NAME if secret.value.isascii() else _LONG_KANJI)
    return len(secret.value) >= _LONG


def is_identifier(text: str) -> bool:
    """Whether it can be the name of a function: a word that happens to be a name says nothing of anybody."""
    return _IDENTIFIER.fullmatch(text) is not None

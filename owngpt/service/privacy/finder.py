"""Looking for personal data under a policy: what fails is never taken for clean. No content in logs or messages."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from owngpt.errors import PrivacyError
from owngpt.service.privacy.policy import Policy
from owngpt.service.privacy.vault import LITERAL, PLACEHOLDER, Secret
from owngpt.trust.pii import Detector, Entity
from owngpt.trust.pii.entity import resolve

logger = logging.getLogger(__name__)

_FILLER = "\ue000"  # private use: no pattern reads it
_LONG, _LONG_NAME, _LONG_KANJI = 6, 5, 3  # characters from which a value is looked for everywhere
MAX_ECHOES = 500  # values that are looked for everywhere
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

    def find(self, text: str, deadline: float, *, label: str = "") -> list[Entity]:
        """Entities in order, without overlaps, and what looks like a placeholder (its type is `LITERAL`).

        `label` is what the text is called where it stands (the key of a JSON object), as a part of its context.
        """
        literals = [Entity(*m.span(), LITERAL, 1.0, "placeholder") for m in PLACEHOLDER.finditer(text)]
        hidden = PLACEHOLDER.sub(lambda match: _FILLER * len(match[0]), text) if literals else text
        prefix = f"{label}: " if label else ""
        try:
            found = self.detector.find(prefix + hidden, self.policy.accepts, deadline)
        except Exception as error:
            logger.error("personal data could not be looked for: %s", type(error).__name__)
            raise PrivacyError() from None
        return resolve([*literals, *_shifted(found, len(prefix))])


def _shifted(entities: Iterable[Entity], length: int) -> Iterable[Entity]:
    """Without a prefix of that length."""
    for entity in entities:
        if entity.end > length:
            start = max(0, entity.start - length)
            yield Entity(start, entity.end - length, entity.type, entity.score, entity.source)


def echoes(text: str, secrets: Sequence[Secret]) -> list[Entity]:
    """Where values that were found elsewhere stand again, also where nothing around says what they are."""
    found = []
    for secret in secrets[:MAX_ECHOES]:
        if secret.kind == LITERAL or not _is_telling(secret) or secret.value not in text:
            continue
        bound = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
        pattern = bound[0] * secret.value[0].isascii() + re.escape(secret.value) + bound[1] * secret.value[-1].isascii()
        found += [Entity(*m.span(), secret.kind, 1.0, "echo") for m in re.finditer(pattern, text)]
    return found


def _is_telling(secret: Secret) -> bool:
    """Whether the value is long enough to be nothing else."""
    if secret.kind == "PERSON":
        return len(secret.value) >= (_LONG_NAME if secret.value.isascii() else _LONG_KANJI)
    return len(secret.value) >= _LONG


def is_identifier(text: str) -> bool:
    """Whether it can be the name of a function: a word that happens to be a name says nothing of anybody."""
    return _IDENTIFIER.fullmatch(text) is not None

"""Identification numbers of other countries, by presidio's patterns and check digits.

presidio is imported when such a number is looked for first: it brings spaCy along (3 s, 200 MB), of which nothing is
used. Its own loop skips a pattern that takes too long, and its recognizer of e-mail goes online for a list of domains;
so only patterns and checks are taken, of recognizers that need neither, and what takes too long fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from owngpt.trust.pii.entity import Entity
from owngpt.trust.pii.rules import AFTER, BEFORE
from owngpt.trust.pii.window import Window

_RECOGNIZERS = (
    *("UkNinoRecognizer", "NhsRecognizer", "UkDrivingLicenceRecognizer", "EsNifRecognizer", "EsNieRecognizer"),
    *("ItFiscalCodeRecognizer", "PlPeselRecognizer", "SePersonnummerRecognizer", "FiPersonalIdentityCodeRecognizer"),
    *(
        "DeTaxIdRecognizer",
        "DeSocialSecurityRecognizer",
        "DeIdCardRecognizer",
        "SgFinRecognizer",
        "InAadhaarRecognizer",
    ),
    *("InPanRecognizer", "AuTfnRecognizer", "AuMedicareRecognizer", "CaSinRecognizer", "KrRrnRecognizer"),
    *("KrFrnRecognizer", "ThTninRecognizer", "TrNationalIdRecognizer", "UsMbiRecognizer"),
)
_SECONDS = 2.0  # for one pattern and one window
_LEAST = 0.3  # presidio's score of a pattern that is worth a look without a check


@dataclass(frozen=True, slots=True)
class _Number:
    """One kind of number. `check` says True, False, or None where there is nothing to check."""

    source: str
    patterns: Sequence[tuple[Any, float]]  # compiled by `regex`, with presidio's score
    context: Sequence[str]
    check: Callable[[str], bool | None]
    refute: Callable[[str], bool | None]


@lru_cache(maxsize=1)
def _numbers() -> tuple[_Number, ...]:
    """Raises `ImportError` where presidio is not installed."""
    import regex  # type: ignore[import-untyped]
    from presidio_analyzer import predefined_recognizers

    numbers = []
    for name in _RECOGNIZERS:
        recognizer: Any = getattr(predefined_recognizers, name)()
        patterns = [(regex.compile(p.regex, recognizer.global_regex_flags), p.score) for p in recognizer.patterns]
        context = [word.lower() for word in recognizer.context or ()]
        source = f"presidio_{recognizer.supported_entities[0].lower()}"
        numbers.append(_Number(source, patterns, context, recognizer.validate_result, recognizer.invalidate_result))
    return tuple(numbers)


class NationalIds:
    """Finds identification numbers of some twenty countries."""

    type = "NATIONAL_ID"

    def find(self, window: Window) -> Iterator[Entity]:
        text = window.text
        for number in _numbers():
            for pattern, score in number.patterns:
                for match in pattern.finditer(text, timeout=_SECONDS):
                    if (sure := _score(number, match, text, score)) > 0:
                        yield Entity(match.start(), match.end(), self.type, sure, number.source)


def _score(number: _Number, match: Any, text: str, score: float) -> float:
    """Digits alone pass their check by chance too often to be believed without words around them."""
    found = match[0]
    is_right = number.check(found)
    if not found or is_right is False or number.refute(found):
        return 0.0
    nearby = (
        text[max(0, match.start() - BEFORE) : match.start()] + "\n" + text[match.end() : match.end() + AFTER]
    ).lower()
    if any(word in nearby for word in number.context):
        return 0.9
    if not any(character.isalpha() for character in found):
        return 0.4 if is_right else 0.1
    return 0.8 if is_right else (0.6 if score >= 0.5 else 0.3 if score >= _LEAST else 0.1)

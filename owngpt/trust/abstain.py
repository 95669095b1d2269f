"""Answer, or say that one does not know: the threshold, and the words for it."""

from __future__ import annotations

from collections.abc import Sequence

from owngpt.trust.language import language_of
from owngpt.trust.logistic import bundled
from owngpt.types import Verdict

_WORDS = {
    "en": "I cannot find a reliable answer to this in the documents that I have.",
    "ja": "手元の文書の中には、この質問に確実に答えられる記述が見つかりませんでした。",
}


def abstention(question: str) -> str:
    """What is said instead of an answer, in the language of the question."""
    return _WORDS[language_of(question)]


def verdict(supports: Sequence[float], threshold: float) -> Verdict:
    """Supported if each sentence reaches the threshold, partly if one does, else there is no answer."""
    borne_out = [support >= threshold for support in supports]
    if not any(borne_out):
        return Verdict.ABSTAINED
    return Verdict.SUPPORTED if all(borne_out) else Verdict.PARTLY


def default_threshold(mode: str, question: str) -> float:
    """The bundled one: calibrated on questions of this language, in this way of answering."""
    value: float = bundled()["thresholds"][f"{mode}.{language_of(question)}"]["threshold"]
    return value

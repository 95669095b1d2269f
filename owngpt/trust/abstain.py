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


_BORNE_OUT = 0.5  # support of a sentence that is more likely borne out than not


def verdict(supports: Sequence[float], support: float, threshold: float) -> Verdict:
    """Of an answer that is shown: supported, if it reaches the threshold and so does each of its sentences theirs."""
    is_whole = support >= threshold and all(sentence >= _BORNE_OUT for sentence in supports)
    return Verdict.SUPPORTED if is_whole else Verdict.PARTLY


def default_threshold(language: str, *, has_vectors: bool) -> float:
    """The bundled one: calibrated on public questions in this language, half of which have no answer.

    `has_vectors`: whether sentences are compared as vectors, too.
    """
    kind = "vectors" if has_vectors else "words"
    value: float = bundled()["thresholds"][f"{language}.{kind}"]["threshold"]
    return value

"""Which sentence answers a question, and how likely it does: chosen among the sentences of passages, not generated."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from owngpt.trust.kinds import has_kind, kind_of
from owngpt.trust.language import is_japanese
from owngpt.trust.logistic import Logistic, logistic
from owngpt.trust.sentences import Span, split_sentences
from owngpt.trust.terms import coverage, terms, weight

_NAME = re.compile(r"(?<!^)\b[A-Z][\w'’-]+|[\u30a1-\u30fa\u30fc]{2,}|\b[A-Z]{2,}\b")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


class Source(NamedTuple):
    """A text that may hold the answer. `similarity` of it to the question, as its search says, 0 to 1."""

    text: str
    score: float = 0.0


class Candidate(NamedTuple):
    """A sentence and how likely it answers the question."""

    source: int  # its place among the sources
    span: Span
    probability: float


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence with what stands around it."""

    source: int
    span: Span
    text: str
    near: str  # it, and its neighbours


@dataclass(slots=True)
class Question:
    """A question and the texts in which its answer is looked for."""

    text: str
    sources: Sequence[Source]
    sentences: list[Sentence] = field(init=False)
    weights: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.sentences = [s for i, source in enumerate(self.sources) for s in _sentences(i, source.text)]
        self.weights = _rarity(self.text, [s.text for s in self.sentences])

    def features(self, sentence: Sentence, similarity: float | None = None) -> dict[str, float]:
        """What speaks for this sentence and against it, each about 0 to 1. `similarity` is a cosine."""
        asked = terms(self.text)
        here, near = terms(sentence.text), terms(sentence.near)
        whole = terms(self.sources[sentence.source].text)
        names, numbers = set(_NAME.findall(self.text)), set(_NUMBER.findall(self.text))
        kind = kind_of(self.text)
        return {
            "here": coverage(asked, here, self.weights),
            "near": coverage(asked, near, self.weights),
            "whole": coverage(asked, whole, self.weights),
            "rarest": _rarest(asked, near, self.weights),
            "pairs": _pairs_kept(self.text, sentence.text),
            "names": _share(names, sentence.near),
            "names_missing": float(bool(names) and _share(names, self.sources[sentence.source].text) < 1),
            "numbers_missing": float(bool(numbers) and _share(numbers, self.sources[sentence.source].text) < 1),
            "asks_kind": float(kind is not None),
            "has_kind": float(kind is not None and has_kind(kind, sentence.text, self.text)),
            "length": min(1.0, math.log1p(len(sentence.text)) / 6.5),
            "has_similarity": float(similarity is not None),
            "similarity": 0.0 if similarity is None else similarity,
            "score": self.sources[sentence.source].score,
        }

    def rank(self, similarities: Mapping[Sentence, float] | None = None) -> list[Candidate]:
        """Sentences, the likeliest first: all of them, or those whose similarity to the question is known."""
        scorer, known = answers(self.text), similarities or {}
        ranked = [
            Candidate(sentence.source, sentence.span, scorer(self.features(sentence, known.get(sentence))))
            for sentence in known or self.sentences
        ]
        return sorted(ranked, key=lambda candidate: -candidate.probability)


@lru_cache(maxsize=2)
def _answers(language: str) -> Logistic:
    return logistic(f"answers.{language}")


def answers(question: str) -> Logistic:
    """The scorer for the question's language."""
    return _answers("ja" if is_japanese(question) else "en")


def _sentences(number: int, text: str) -> list[Sentence]:
    spans = split_sentences(text)
    return [
        Sentence(number, span, span.of(text), text[spans[max(0, i - 1)].start : spans[min(len(spans) - 1, i + 1)].end])
        for i, span in enumerate(spans)
    ]


def _rarity(question: str, texts: Sequence[str]) -> dict[str, float]:
    """Of the question's terms: those that are in few of the texts say more (as in BM25)."""
    counts: Counter[str] = Counter()
    asked = terms(question)
    for text in texts:
        counts.update(asked.keys() & terms(text).keys())
    total = max(10, len(texts))
    return {term: weight(term) * math.log(1 + total / (1 + counts[term])) for term in asked}


def _rarest(asked: Mapping[str, int], there: Mapping[str, int], weights: Mapping[str, float]) -> float:
    """Of the three terms that say most, those that are there."""
    best = sorted(asked, key=lambda term: -weights[term])[:3]
    return sum(term in there for term in best) / len(best) if best else 0.0


def _pairs_kept(question: str, sentence: str) -> float:
    """Which part of the question's neighbouring terms are neighbours in the sentence, too."""
    first, second = list(terms(question)), list(terms(sentence))
    pairs = set(pairwise(first))
    return len(pairs & set(pairwise(second))) / len(pairs) if pairs else 0.0


def _share(words: set[str], text: str) -> float:
    lowered = text.lower()
    return sum(word.lower() in lowered for word in words) / len(words) if words else 1.0

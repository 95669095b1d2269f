"""Which sentence answers a question, and how likely it does: chosen among the sentences of passages, not generated."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from owngpt.trust.kinds import has_kind, kind_of
from owngpt.trust.language import language_of
from owngpt.trust.logistic import Logistic, logistic
from owngpt.trust.sentences import Span, split_sentences
from owngpt.trust.terms import coverage, terms, weight

COMPARED = 6  # sentences, of those that are likeliest
_OWN = ("here", "near", "pairs", "asks_kind", "has_kind", "lacking_near", "worst_near")  # what else tells of a sentence
_NAME = re.compile(r"(?<!^)\b[A-Z][\w'’-]+|[\u30a1-\u30fa\u30fc]{2,}|\b[A-Z]{2,}\b")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


class Source(NamedTuple):
    """A text that may hold the answer."""

    text: str


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


class Question:
    """A question and the texts in which its answer is looked for. What does not depend on a sentence is known once."""

    def __init__(self, text: str, sources: Sequence[Source]) -> None:
        self.text, self.sources = text, sources
        self.sentences = [s for i, source in enumerate(sources) for s in _sentences(i, source.text)]
        self._asked = terms(text)
        self._weights = _rarity(self._asked, [s.text for s in self.sentences])
        self._rare_first = sorted(self._asked, key=lambda term: -self._weights[term])
        self._at = {(sentence.source, sentence.span): sentence for sentence in self.sentences}
        self._pairs = set(pairwise(self._asked))
        self._names, self._numbers = set(_NAME.findall(text)), set(_NUMBER.findall(text))
        self._kind = kind_of(text)
        self._wholes = [self._of_source(source.text) for source in sources]

    def features(self, sentence: Sentence, similarity: float | None = None) -> dict[str, float]:
        """What speaks for this sentence and against it, each about 0 to 1. `similarity` is a cosine."""
        here_terms, near_terms = terms(sentence.text), terms(sentence.near)
        here, near = (coverage(self._asked, by, self._weights) for by in (here_terms, near_terms))
        rarest = self._rare_first[:3]
        rare = sum(term in near_terms for term in rarest) / max(1, len(rarest))
        pairs = len(self._pairs & set(pairwise(here_terms))) / max(1, len(self._pairs))
        kind = self._kind
        has = float(kind is not None and has_kind(kind, sentence.text, self.text))
        return {
            "here": here,
            "here^2": here * here,
            "near": near,
            "near^2": near * near,
            "rarest": rare,
            "near*rarest": near * rare,
            "here*rarest": here * rare,
            "pairs": pairs,
            "here*pairs": here * pairs,
            "names": _share(self._names, sentence.near),
            "asks_kind": float(kind is not None),
            "has_kind": has,
            "here*has_kind": here * has,
            **({f"lacks_{kind.name}": 1.0 - has} if kind is not None else {}),
            "length": min(1.0, math.log1p(len(sentence.text)) / 6.5),
            "first": float(sentence.span.start == 0),
            "density": sum(term in here_terms for term in self._asked) / max(1, len(here_terms)),
            "said_here": self._said(here_terms),
            "said_near": self._said(near_terms),
            **self._lacking("here", here_terms),
            **self._lacking("near", near_terms),
            "has_similarity": float(similarity is not None),
            "similarity": 0.0 if similarity is None else similarity,
            **self._wholes[sentence.source],
        }

    def rank(self, similarities: Mapping[Sentence, float] | None = None) -> list[Candidate]:
        """Sentences, the likeliest first: all of them, or those whose similarity to the question is known."""
        scorer, known = answers(self.text), similarities or {}
        ranked = [
            Candidate(sentence.source, sentence.span, scorer(self.features(sentence, known.get(sentence))))
            for sentence in known or self.sentences
        ]
        return sorted(ranked, key=lambda candidate: -candidate.probability)

    def confidence(self, ranked: Sequence[Candidate]) -> float:
        """How likely the first of these sentences is a right answer, seen beside those that come next."""
        return _confidence(language_of(self.text))(self.contrast(ranked)) if ranked else 0.0

    def contrast(self, ranked: Sequence[Candidate]) -> dict[str, float]:
        """What tells a right first sentence from a wrong one: how far it is ahead, and what it lacks."""
        first, *others = ranked[:COMPARED]
        elsewhere = next((one.probability for one in others if one.source != first.source), 0.0)
        logit = _logit(first.probability)
        total = math.fsum(one.probability for one in ranked[:COMPARED])
        own = self.features(self._at[first.source, first.span])
        return {
            "logit": logit,
            "gap": logit - _logit(others[0].probability if others else 0.0),
            "gap_elsewhere": logit - _logit(elsewhere),
            "sum": total,
            "share": first.probability / total,
            "whole_elsewhere": max((whole["whole"] for whole in self._others(first.source)), default=0.0),
            **{name: own[name] for name in _OWN},
            **self._wholes[first.source],
        }

    def _others(self, source: int) -> list[dict[str, float]]:
        return [whole for number, whole in enumerate(self._wholes) if number != source]

    def _said(self, by: Mapping[str, int]) -> float:
        """How much of the question is said, whatever part of it that is: much of a long one is more than all of a
        short one.
        """
        return math.log1p(math.fsum(self._weights[term] for term in self._asked if term in by)) / 3

    def _lacking(self, name: str, by: Mapping[str, int]) -> dict[str, float]:
        """How many of the question's terms are not there, and how rare the rarest of these is beside the others."""
        lacking = [term for term in self._rare_first if term not in by]
        worst = self._weights[lacking[0]] / (self._weights[self._rare_first[0]] or 1.0) if lacking else 0.0
        return {f"lacking_{name}": min(1.0, len(lacking) / 5), f"worst_{name}": worst}

    def _of_source(self, text: str) -> dict[str, float]:
        """What is the same for all sentences of a source."""
        found = terms(text)
        whole = coverage(self._asked, found, self._weights)
        return {
            "asked": math.log1p(len(self._asked)) / 3,
            **self._lacking("whole", found),
            "whole": whole,
            "whole^2": whole * whole,
            "names_missing": float(bool(self._names) and _share(self._names, text) < 1),
            "numbers_missing": float(bool(self._numbers) and _share(self._numbers, text) < 1),
        }


@lru_cache(maxsize=2)
def _confidence(language: str) -> Logistic:
    return logistic(f"confidence.{language}")


@lru_cache(maxsize=2)
def _answers(language: str) -> Logistic:
    return logistic(f"answers.{language}")


def answers(question: str) -> Logistic:
    """The scorer for the question's language."""
    return _answers(language_of(question))


def _sentences(number: int, text: str) -> list[Sentence]:
    spans = split_sentences(text)
    return [
        Sentence(number, span, span.of(text), text[spans[max(0, i - 1)].start : spans[min(len(spans) - 1, i + 1)].end])
        for i, span in enumerate(spans)
    ]


def _rarity(asked: Mapping[str, int], texts: Sequence[str]) -> dict[str, float]:
    """Of the question's terms: those that are in few of the texts say more (as in BM25)."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(asked.keys() & terms(text).keys())
    total = max(10, len(texts))
    return {term: weight(term) * math.log(1 + total / (1 + counts[term])) for term in asked}


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))


def _share(words: set[str], text: str) -> float:
    lowered = text.lower()
    return sum(word.lower() in lowered for word in words) / len(words) if words else 1.0

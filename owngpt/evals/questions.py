"""Questions turned into search: half of them lose their paragraph, and all that is like it, from what is searched.

Knows no model and no store. What is searched with here is plain BM25, the same for every scorer that is compared.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from owngpt.trust.terms import terms

Part = Literal["train", "calibrate", "test"]
_K1, _B = 1.2, 0.75
_ALIKE = 0.5  # of the shorter paragraph's terms in common: what says nearly the same


class Paragraph(NamedTuple):
    """A text of some document, with questions that it answers: (question, answer, where the answer starts)."""

    document: str
    text: str
    questions: Sequence[tuple[str, str, int]]


class Asked(NamedTuple):
    """A question and what a search finds for it, best first."""

    part: Part
    question: str
    passages: Sequence[str]
    scores: Sequence[float]  # of the search
    answer: tuple[int, int] | None  # (passage, character) where it stands; None: it is not there
    is_answerable: bool  # whether its paragraph was there to be found


class BM25:
    """Robertson and Zaragoza (2009), over terms."""

    def __init__(self, texts: Sequence[str]) -> None:
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        lengths, distinct = [], []
        for number, text in enumerate(texts):
            counts = terms(text)
            lengths.append(counts.total())
            distinct.append(len(counts))
            for term, count in counts.items():
                found[term].append((number, count))
        self._places = {term: np.array(places, dtype=np.int64).T for term, places in found.items()}
        self._distinct_N = np.array(distinct)
        length_N = np.array(lengths, dtype=float)
        self._length_N = 1 - _B + _B * length_N / (length_N.mean() or 1.0 if len(texts) else 1.0)

    def search(self, query: str, count: int, *, without: Collection[int] = ()) -> list[tuple[int, float]]:
        """(text, score), the best first; `without` are not there."""
        score_N = np.zeros(len(self._length_N))
        for number_P, count_P in self._of(query):
            rarity = math.log(1 + (len(score_N) - len(number_P) + 0.5) / (len(number_P) + 0.5))
            score_N[number_P] += rarity * count_P * (_K1 + 1) / (count_P + _K1 * self._length_N[number_P])
        score_N[list(without)] = 0.0
        first = np.argsort(-score_N, kind="stable")[:count]
        return [(int(number), float(score_N[number])) for number in first if score_N[number] > 0]

    def alike(self, text: str) -> set[int]:
        """The texts that have most of their terms in common with this one, or it with them."""
        common_N = np.zeros(len(self._length_N))
        for number_P, _ in self._of(text):
            common_N[number_P] += 1
        shorter_N = np.minimum(self._distinct_N, len(terms(text)))
        return {int(number) for number in np.flatnonzero(common_N > _ALIKE * np.maximum(shorter_N, 1))}

    def _of(self, text: str) -> Iterator[NDArray[np.int64]]:
        """Of each of its terms: in which texts it stands, and how often."""
        return (self._places[term] for term in terms(text) if term in self._places)


def asked(paragraphs: Sequence[Paragraph], count: int, *, passages: int = 5, seed: int = 0) -> Iterator[Asked]:
    """`count` questions, every second one unanswerable. Documents are in one part only: half of them train, a quarter
    calibrates, a quarter tests.
    """
    shuffled = random.Random(seed)
    parts = _parts(sorted({paragraph.document for paragraph in paragraphs}), shuffled)
    questions = [(number, *q) for number, paragraph in enumerate(paragraphs) for q in paragraph.questions]
    shuffled.shuffle(questions)
    index = BM25([paragraph.text for paragraph in paragraphs])
    for turn, (own, question, _, start) in enumerate(questions[:count]):
        is_answerable = turn % 2 == 0
        found = index.search(
            question, passages, without=() if is_answerable else {own, *index.alike(paragraphs[own].text)}
        )
        places = [number for number, _ in found]
        answer = (places.index(own), start) if own in places else None
        texts, scores = [paragraphs[number].text for number in places], [score for _, score in found]
        yield Asked(parts[paragraphs[own].document], question, texts, scores, answer, is_answerable)


def _parts(documents: Sequence[str], shuffled: random.Random) -> dict[str, Part]:
    order = shuffled.sample(documents, len(documents))
    cuts: tuple[tuple[float, Part], ...] = ((0.5, "train"), (0.75, "calibrate"), (1.0, "test"))
    return {
        name: next(part for cut, part in cuts if place < cut * len(order) or cut == 1.0)
        for place, name in enumerate(order)
    }

"""Questions turned into search: half of them lose their paragraph, and all that is like it, from what is searched.

Knows no model and no store. What is searched with here is plain BM25, the same for every scorer that is compared.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Literal, NamedTuple

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
        self._places: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._lengths: list[int] = []
        for number, text in enumerate(texts):
            counts = terms(text)
            self._lengths.append(counts.total())
            for term, count in counts.items():
                self._places[term].append((number, count))
        self._mean = sum(self._lengths) / max(1, len(self._lengths)) or 1.0

    def search(self, query: str, count: int, *, without: Collection[int] = ()) -> list[tuple[int, float]]:
        """(text, score), the best first; `without` are not there."""
        scores: Counter[int] = Counter()
        total = len(self._lengths)
        for term in terms(query):
            places = self._places.get(term, [])
            rarity = math.log(1 + (total - len(places) + 0.5) / (len(places) + 0.5))
            for number, n in places:
                length = 1 - _B + _B * self._lengths[number] / self._mean
                scores[number] += rarity * n * (_K1 + 1) / (n + _K1 * length)  # type: ignore[assignment]
        found = [(number, float(score)) for number, score in scores.most_common(count + len(without))]
        return [hit for hit in found if hit[0] not in without][:count]


def asked(paragraphs: Sequence[Paragraph], count: int, *, passages: int = 5, seed: int = 0) -> Iterator[Asked]:
    """`count` questions, every second one unanswerable. Documents are in one part only: half of them train, a quarter
    calibrates, a quarter tests.
    """
    shuffled = random.Random(seed)
    parts = _parts(sorted({paragraph.document for paragraph in paragraphs}), shuffled)
    questions = [(number, *q) for number, paragraph in enumerate(paragraphs) for q in paragraph.questions]
    shuffled.shuffle(questions)
    index = BM25([paragraph.text for paragraph in paragraphs])
    known = [frozenset(terms(paragraph.text)) for paragraph in paragraphs]
    for turn, (own, question, _, start) in enumerate(questions[:count]):
        is_answerable = turn % 2 == 0
        found = index.search(question, passages, without=() if is_answerable else _alike(known, own))
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


def _alike(known: Sequence[frozenset[str]], own: int) -> set[int]:
    """The paragraph, and those that share most of their terms with it."""
    mine = known[own]
    alike = {
        number for number, other in enumerate(known) if len(mine & other) > _ALIKE * max(1, min(len(mine), len(other)))
    }
    return alike | {own}

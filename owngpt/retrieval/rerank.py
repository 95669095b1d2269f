"""A second look at the best candidates, at their texts instead of counts of their terms.

`Reranker` is the hook: a model that reads query and text together fits it. `Proximity` needs no model: what is asked
stands close together in a text that answers it (Tao and Zhai, 2007, "An Exploration of Proximity Measures in
Information Retrieval"). So it looks for the one window of a text that contains the most of the query.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

_COMMON = 0.15  # terms of less than this share of the greatest weight are not looked for: most texts have them
_MIN_STEM = 3  # shorter words are looked for as they are; a longer one may have an ending of a few letters
_MAX_ENDING = 4


@dataclass(frozen=True, slots=True)
class WeightedQuery:
    """A query with its terms, and how much each says: times in the query x idf, terms that stand nowhere included."""

    text: str
    weights: Mapping[str, float]


class Reranker(Protocol):
    """Looks at a few candidates again."""

    @property
    def share(self) -> float:
        """Of the final score, 0 to 1; the first ranking has the rest."""
        ...

    def scores(self, query: WeightedQuery, texts: Sequence[str]) -> list[float]:
        """How well each text answers, 0 to 1."""
        ...


class _Term(NamedTuple):
    needle: str
    weight: float
    is_word: bool  # it begins at the beginning of a word
    ending: int  # and that word has at most so many more letters


@dataclass(frozen=True, slots=True)
class Proximity:
    """The share of the query's weight that stands in the best window of a text. `window` is in characters."""

    share: float = 0.2
    window: int = 120

    def scores(self, query: WeightedQuery, texts: Sequence[str]) -> list[float]:
        """How much of the query stands close together in each text, 0 to 1."""
        terms, total = list(_wanted(query)), sum(query.weights.values())
        return [self._best(terms, _normal(text)) / total if total else 0.0 for text in texts]

    def _best(self, terms: Sequence[_Term], text: str) -> float:
        """The greatest sum of the weights of different terms that begin within one window."""
        found = sorted((place, number) for number, term in enumerate(terms) for place in _places(term, text))
        counts, first, inside, best = [0] * len(terms), 0, 0.0, 0.0
        for place, number in found:
            inside += terms[number].weight if counts[number] == 0 else 0.0
            counts[number] += 1
            while place - found[first][0] > self.window:
                gone = found[first][1]
                counts[gone] -= 1
                inside -= terms[gone].weight if counts[gone] == 0 else 0.0
                first += 1
            best = max(best, inside)
        return best


def _wanted(query: WeightedQuery) -> Iterator[_Term]:
    """The terms worth looking for."""
    least = _COMMON * max(query.weights.values(), default=0.0)
    for term, weight in query.weights.items():
        if weight < least:
            continue
        is_word = term < "\u3000"
        has_endings = is_word and len(term) >= _MIN_STEM and term.isalpha()
        yield _Term(term.rstrip("iy") if has_endings else term, weight, is_word, _MAX_ENDING if has_endings else 0)


def _places(term: _Term, text: str) -> Iterator[int]:
    place = text.find(term.needle)
    while place >= 0:
        if not term.is_word or _is_word(term, text, place):
            yield place
        place = text.find(term.needle, place + 1)


def _is_word(term: _Term, text: str, place: int) -> bool:
    if place > 0 and text[place - 1].isalnum():
        return False
    end = place + len(term.needle)
    return not text[end : end + term.ending + 1].isalnum() or end + term.ending >= len(text)


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()

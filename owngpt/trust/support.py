"""Does this passage bear out that sentence? A protocol, and the first scorer: words, names, numbers, negation, vectors.

Weights are fitted by logistic regression on labelled pairs of claim and evidence (`benchmarks/trust.py` says which).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ParamSpec, Protocol, TypeVar

from owngpt.trust.language import language_of
from owngpt.trust.logistic import logistic
from owngpt.trust.sentences import split_sentences
from owngpt.trust.terms import coverage, terms, weight
from owngpt.trust.vectors import Embed, cosine

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(r"\b[A-Z][\w'’-]+|[\u30a1-\u30fa\u30fc]{2,}|[\u4e00-\u9fff]{2,}")
_NEGATION = re.compile(
    r"\b(not|no|never|none|nobody|nothing|neither|nor|without|cannot|fail(s|ed)?|refus(es|ed))\b|n['’]t\b"
    r"|ない|なかっ|ません|ず(に|、|。|$)|無い|いいえ|未"
)
P = ParamSpec("P")
R = TypeVar("R")
_LOOKED_AT = 8  # sentences of the evidence that are compared as vectors
_NUMBER_WEIGHT = 2.0  # of numbers, beside that of words


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence, and the texts that it rests on."""

    text: str
    evidence: Sequence[str]


class Scorer(Protocol):
    """How well statements are borne out by their evidence."""

    async def score(self, statements: Sequence[Statement]) -> list[float]:
        """One number for each, 0 to 1."""
        ...


class Worker(Protocol):
    """Where work is done that takes long: `cost` is in characters to work through."""

    async def run(self, cost: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...


class CombinedScorer:
    """Lexical and (where there is an embedding model) vector evidence in one number.

    Long evidence is worked through by the `worker`, if there is one, so that nobody else waits for it.
    """

    def __init__(self, embed: Embed | None = None, worker: Worker | None = None) -> None:
        self._embed, self._worker = embed, worker

    async def score(self, statements: Sequence[Statement]) -> list[float]:
        """See `Scorer`."""
        return [await self._score(statement) for statement in statements]

    async def _score(self, statement: Statement) -> float:
        if is_verbatim(statement):
            return 1.0
        similarity = await self.similarity(statement) if self._embed else None
        found = await self._work(statement, features, statement, similarity)
        return logistic(f"supports.{language_of(statement.text)}")(found)

    async def similarity(self, statement: Statement) -> float:
        """The highest cosine of the statement and a sentence of its evidence."""
        assert self._embed is not None
        nearest = await self._work(statement, _nearest, statement)
        first, *others = await self._embed([statement.text, *nearest])
        return max((cosine(first, other) for other in others), default=0.0)

    async def _work(self, statement: Statement, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._worker is None:
            return work(*args, **kwargs)
        return await self._worker.run(sum(map(len, statement.evidence)), work, *args, **kwargs)


def is_verbatim(statement: Statement) -> bool:
    """Whether it stands in its evidence word for word."""
    text = statement.text.strip()
    return any(text in evidence for evidence in statement.evidence)


def features(statement: Statement, similarity: float | None = None) -> dict[str, float]:
    """What speaks for the statement and against it, each about 0 to 1."""
    whole = "\n".join(statement.evidence)
    best = max(_windows(statement), key=lambda text: _covered(statement.text, text), default="")
    names, numbers = set(_NAME.findall(statement.text)), set(_NUMBER.findall(statement.text))
    covered, close = _covered(statement.text, whole), _covered(statement.text, best)
    return {
        "covered": covered,
        "covered^2": covered * covered,
        "best": close,
        "best^2": close * close,
        "order": _order(statement.text, best),
        "names_missing": _missing(names, whole),
        "numbers_missing": _missing(numbers, whole),
        "numbers_far": _missing(numbers, best),
        "has_numbers": float(bool(numbers)),
        "negation": float(bool(_NEGATION.search(statement.text)) != bool(_NEGATION.search(best))),
        "is_negative": float(bool(_NEGATION.search(statement.text))),
        "length": min(1.0, len(statement.text) / 200),
        "has_similarity": float(similarity is not None),
        "similarity": similarity or 0.0,
    }


def _sentences(statement: Statement) -> list[str]:
    return [span.of(text) for text in statement.evidence for span in split_sentences(text)]


def _nearest(statement: Statement) -> list[str]:
    """The sentences of the evidence that have most of the statement's words."""
    return sorted(_sentences(statement), key=lambda text: -_covered(statement.text, text))[:_LOOKED_AT]


def _windows(statement: Statement) -> list[str]:
    """Each sentence of the evidence with the next one."""
    found = _sentences(statement)
    return [" ".join(found[i : i + 2]) for i in range(len(found))]


def _covered(text: str, by: str) -> float:
    wanted = terms(text)
    return coverage(wanted, terms(by), _weights(wanted))


def _weights(wanted: Mapping[str, int]) -> dict[str, float]:
    return {term: weight(term) * (_NUMBER_WEIGHT if term[0].isdigit() else 1.0) for term in wanted}


def _missing(words: set[str], text: str) -> float:
    lowered = text.lower()
    return sum(word.lower() not in lowered for word in words) / len(words) if words else 0.0


def _order(text: str, by: str) -> float:
    """Which part of neighbouring terms are in this order there, too."""
    first, second = list(terms(text)), {term: place for place, term in enumerate(terms(by))}
    known = [second[term] for term in first if term in second]
    pairs = list(pairwise(known))
    return sum(a < b for a, b in pairs) / len(pairs) if pairs else 0.5

"""The extractive answer: the best sentences themselves, word for word, chosen without generating anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from owngpt.trust.answering import Candidate, Question, Source, Vector

Embed = Callable[[Sequence[str]], Awaitable[Sequence[Vector]]]

MAX_SENTENCES = 3
_NEAR_BEST = 0.6  # of the best one's probability: what else is worth saying
_LOOKED_AT = 32  # sentences that are compared as vectors, too


class Extract(NamedTuple):
    """The sentences to answer with, best first, and how likely the best one is an answer."""

    candidates: Sequence[Candidate]
    confidence: float


async def extract(question: str, sources: Sequence[Source], embed: Embed | None = None) -> Extract:
    """Choose. An empty extract has confidence 0."""
    asked = Question(question, sources)
    ranked = asked.rank()
    if embed is not None and ranked:
        ranked = await _with_vectors(asked, ranked[:_LOOKED_AT], embed)
    best = ranked[0].probability if ranked else 0.0
    chosen = [candidate for candidate in ranked[:MAX_SENTENCES] if candidate.probability >= best * _NEAR_BEST]
    return Extract(chosen, best)


async def _with_vectors(asked: Question, ranked: Sequence[Candidate], embed: Embed) -> list[Candidate]:
    places = {(candidate.source, candidate.span) for candidate in ranked}
    kept = [sentence for sentence in asked.sentences if (sentence.source, sentence.span) in places]
    first, *others = await embed([asked.text, *(sentence.text for sentence in kept)])
    return asked.rank({sentence: cosine(first, vector) for sentence, vector in zip(kept, others, strict=True)})


def cosine(first: Vector, second: Vector) -> float:
    """Of two vectors of unit length."""
    return sum(a * b for a, b in zip(first, second, strict=True))

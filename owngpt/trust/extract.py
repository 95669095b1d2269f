"""The sentences of passages, ranked by how likely they answer a question, and the best of them as an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from owngpt.trust.answering import COMPARED, Candidate, Question, Sentence
from owngpt.trust.sentences import Span
from owngpt.trust.vectors import Embed, cosine

MAX_SENTENCES = 3  # of an answer
_LOOKED_AT = 12  # sentences, some of which may say the same in several documents
_NEAR_BEST = 0.6  # of the best one's probability: what else is worth saying


class Ranking(NamedTuple):
    """Sentences, the likeliest answer first, and how likely that one is right."""

    candidates: Sequence[Candidate]
    confidence: float


async def rank(asked: Question, embed: Embed | None = None, ranked: list[Candidate] | None = None) -> Ranking:
    """All sentences of a question's sources. The first ones by their words are compared by their vectors, too.

    `ranked` is the ranking by words, where that has been made: of long texts it takes seconds.
    """
    ranked = asked.rank() if ranked is None else ranked
    if embed is not None and ranked:
        first = {(candidate.source, candidate.span) for candidate in ranked[:COMPARED]}
        ranked = [*asked.rank(await _similarities(asked, first, embed)), *ranked[COMPARED:]]
    return Ranking(ranked, asked.confidence(ranked))


def best(ranked: Sequence[Candidate], texts: Sequence[str]) -> list[Candidate]:
    """What an answer consists of: the first one, and those of the next that are nearly as likely and say it in other
    words. `texts` are those of the sources.
    """
    found = {"".join(one.span.of(texts[one.source]).split()): one for one in reversed(ranked[:_LOOKED_AT])}
    different = sorted(found.values(), key=lambda one: -one.probability)
    return [one for one in different[:MAX_SENTENCES] if one.probability >= ranked[0].probability * _NEAR_BEST]


async def _similarities(asked: Question, places: set[tuple[int, Span]], embed: Embed) -> dict[Sentence, float]:
    kept = [sentence for sentence in asked.sentences if (sentence.source, sentence.span) in places]
    first, *others = await embed([asked.text, *(sentence.text for sentence in kept)])
    return {sentence: cosine(first, vector) for sentence, vector in zip(kept, others, strict=True)}

"""The sentences of passages, ranked by how likely they answer a question, and the best of them as an answer."""

from __future__ import annotations

from collections.abc import Sequence

from owngpt.trust.answering import Candidate, Question, Sentence, Source
from owngpt.trust.sentences import Span
from owngpt.trust.vectors import Embed, cosine

MAX_SENTENCES = 3  # of an answer
_NEAR_BEST = 0.6  # of the best one's probability: what else is worth saying
_LOOKED_AT = 8  # sentences that are compared as vectors, too


async def rank(question: str, sources: Sequence[Source], embed: Embed | None = None) -> list[Candidate]:
    """All sentences, the likeliest first. The first ones by their words are compared by their vectors, too."""
    asked = Question(question, sources)
    ranked = asked.rank()
    if embed is None or not ranked:
        return ranked
    first = {(candidate.source, candidate.span) for candidate in ranked[:_LOOKED_AT]}
    again = asked.rank(await _similarities(asked, first, embed))
    return [*again, *ranked[_LOOKED_AT:]]


def best(ranked: Sequence[Candidate]) -> list[Candidate]:
    """What an answer consists of: the first one, and those that are nearly as likely."""
    return [one for one in ranked[:MAX_SENTENCES] if one.probability >= ranked[0].probability * _NEAR_BEST]


async def _similarities(asked: Question, places: set[tuple[int, Span]], embed: Embed) -> dict[Sentence, float]:
    kept = [sentence for sentence in asked.sentences if (sentence.source, sentence.span) in places]
    first, *others = await embed([asked.text, *(sentence.text for sentence in kept)])
    return {sentence: cosine(first, vector) for sentence, vector in zip(kept, others, strict=True)}

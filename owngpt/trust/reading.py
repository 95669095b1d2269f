"""A model that reads two texts together, as a `Scorer` of statements, and for answers in the words of a passage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from owngpt.trust.sentences import Span, split_sentences
from owngpt.trust.support import Statement, Worker, is_verbatim

_COST = 4_096  # characters that a pass of the model is worth: it never runs on the event loop


class Spot(Protocol):
    """The likeliest place of an answer: characters [start, end) of text number `text`, and its log odds."""

    @property
    def text(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def logit(self) -> float: ...


class ReadingModel(Protocol):
    """What such a model looks like from here."""

    def support(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Of (statement, text): how likely the text bears the statement out, 0 to 1."""
        ...

    def answer(self, question: str, texts: Sequence[str]) -> Spot | None:
        """The likeliest answer in the words of a text; None where there is no text."""
        ...


class ReadingScorer:
    """How well statements are borne out, as the model says. What stands there verbatim is."""

    def __init__(self, model: ReadingModel, worker: Worker) -> None:
        self._model, self._worker = model, worker

    async def score(self, statements: Sequence[Statement]) -> list[float]:
        """See `Scorer`."""
        return [await self._score(statement) for statement in statements]

    async def _score(self, statement: Statement) -> float:
        if is_verbatim(statement):
            return 1.0
        pairs = [(statement.text, text) for text in statement.evidence]
        scores = await self._worker.run(sum(map(len, statement.evidence)) + _COST, self._model.support, pairs)
        return max(scores, default=0.0)


class ReadAnswer(NamedTuple):
    """An answer in the words of a text, the sentence that it stands in, and how likely there is one at all."""

    source: int
    answer: Span
    sentence: Span
    confidence: float


def read_answer(model: ReadingModel, question: str, texts: Sequence[str]) -> ReadAnswer | None:
    """The likeliest answer among the texts; None where there is nothing to read."""
    spot = model.answer(question, texts)
    if spot is None:
        return None
    around = [span for span in split_sentences(texts[spot.text]) if span.start < spot.end and span.end > spot.start]
    answer = Span(spot.start, spot.end)
    sentence = Span(around[0].start, around[-1].end) if around else answer
    return ReadAnswer(spot.text, answer, sentence, _probability(spot.logit))


def _probability(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))

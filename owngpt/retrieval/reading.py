"""A second look by a model that reads question and text together (Nogueira and Cho, 2019, "Passage Re-ranking with
BERT").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from owngpt.retrieval.rerank import WeightedQuery


class RelevanceModel(Protocol):
    """What such a model looks like from here."""

    def relevance(self, question: str, texts: Sequence[str]) -> list[float]:
        """How likely each text is what was looked for, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class ReadingReranker:
    """A `Reranker` that asks a model."""

    model: RelevanceModel
    share: float = 0.5

    def scores(self, query: WeightedQuery, texts: Sequence[str]) -> list[float]:
        """See `Reranker`."""
        return self.model.relevance(query.text, texts)

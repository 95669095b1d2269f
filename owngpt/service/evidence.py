"""What is known of a question and its passages before anything is answered: which sentences answer it, how likely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from owngpt.retrieval.fluency import fluency
from owngpt.service.app import App
from owngpt.service.chat import ChatPrompt
from owngpt.service.embeddings import tokenize
from owngpt.service.models import ServedEmbedder
from owngpt.service.responses.unseen import NOTE
from owngpt.service.workers import Workers
from owngpt.trust.answering import Candidate, Question, Source
from owngpt.trust.extract import rank
from owngpt.trust.vectors import Embed
from owngpt.types import Citation, Passage

_HINTS = 3
_FLUENT = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """Passages, and their sentences ranked by how likely they answer the question."""

    question: str
    passages: Sequence[Passage]
    ranked: Sequence[Candidate]
    confidence: float  # that the first sentence is a right answer

    @property
    def likeliest(self) -> list[int]:
        """The places of the passages, those that come nearest to an answer first; without those that say nothing."""
        return list(dict.fromkeys(candidate.source for candidate in self.ranked))

    @property
    def hints(self) -> tuple[Passage, ...]:
        """The passages that come nearest to an answer, the nearest first."""
        return tuple(self.passages[source] for source in self.likeliest[:_HINTS])

    def relevance(self, citations: Sequence[Citation]) -> float:
        """How likely what is cited answers the question: as likely as the best sentence, or less by as much as it is
        less likely. An answer that cites nothing is taken to rest on the best one.
        """
        if not citations or not self.ranked:
            return self.confidence
        cited = max((one.probability for one in self.ranked if self._is_cited(one, citations)), default=0.0)
        return self.confidence * cited / self.ranked[0].probability

    def best_of(self, passage: Passage) -> tuple[int, int]:
        """The characters of a passage that are likeliest to answer."""
        number = next(i for i, known in enumerate(self.passages) if known is passage)
        span = next((one.span for one in self.ranked if one.source == number), (0, 0))
        return (span[0], span[1])

    def _is_cited(self, candidate: Candidate, citations: Sequence[Citation]) -> bool:
        passage = self.passages[candidate.source]
        start, end = (passage.start + offset for offset in candidate.span)
        return any(
            citation.passage_id == passage.id and citation.start < end and start < citation.end
            for citation in citations
        )


async def gather(app: App, question: str, passages: Sequence[Passage]) -> Evidence:
    """Rank the sentences of the passages; with vectors, where an embedding model is loaded."""
    size = sum(len(passage.text) for passage in passages)
    asked, ranked = await app.workers.run(size, _by_words, question, passages)
    ranking = await rank(asked, embedding(app, question), ranked)
    return Evidence(question, passages, ranking.candidates, ranking.confidence)


def _by_words(question: str, passages: Sequence[Passage]) -> tuple[Question, list[Candidate]]:
    asked = Question(question, [Source(passage.text) for passage in passages])
    return asked, asked.rank()


def question_of(prompt: ChatPrompt) -> str:
    """What is asked: the last words of the user, without what we have said there of an image."""
    return said_of(prompt).replace(NOTE, "").strip()


def said_of(prompt: ChatPrompt) -> str:
    """The last turn of the user, as the model reads it."""
    return next((message.content for message in reversed(prompt.messages) if message.role == "user"), "")


def embedding(app: App, question: str) -> Embed | None:
    """Texts -> vectors, by the embedding model that is loaded; None without one that reads the question's language."""
    embedders = app.models.embedders
    return embed_with(embedders[0], app.workers) if embedders and reads(embedders[0], question) else None


def reads(served: ServedEmbedder, question: str) -> bool:
    """Whether the model was trained on this language: its tokenizer need not spell it."""
    return fluency(served.tokenizer, question) >= _FLUENT


def embed_with(served: ServedEmbedder, workers: Workers) -> Embed:
    """Texts -> vectors, by this model."""

    async def embed(texts: Sequence[str]) -> list[list[float]]:
        ids = await workers.run(sum(map(len, texts)), tokenize, served.tokenizer, texts)
        limit = served.embedder.max_input_tokens
        return await served.embedder.embed([tokens[:limit] for tokens in ids])

    return embed

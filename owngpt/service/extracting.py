"""The extractive answer: the best sentences of the passages, each a citation. Nothing is generated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from owngpt.retrieval.cite import cite
from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatEvent, ChatPrompt
from owngpt.service.embeddings import tokenize
from owngpt.service.generate import GenerationRequest
from owngpt.service.grounded import (
    GroundedEvent,
    GroundedGeneration,
    GroundedVerdict,
    GroundingOptions,
    SentenceSupport,
)
from owngpt.service.tiers import claim_of
from owngpt.service.trace import trace
from owngpt.text.output import ContentDelta
from owngpt.text.quotes import choose_marks
from owngpt.trust.abstain import abstention, default_threshold
from owngpt.trust.answering import Source
from owngpt.trust.extract import Embed, Extract, extract
from owngpt.trust.language import is_japanese
from owngpt.types import Passage, Verdict

_HINTS = 3


@asynccontextmanager
async def extracted(
    app: App, caller: Caller, request: GenerationRequest, passages: Sequence[Passage], options: GroundingOptions
) -> AsyncIterator[GroundedGeneration]:
    """See `grounding.ground`."""
    model = request.model
    claim = claim_of(app.settings, caller, request.tier, request.patience)
    with (
        app.limits.admit("extract", model.name, claim=claim) as ticket,
        trace(app.tracer, "extract", model.name, ticket),
    ):
        assert isinstance(request.prompt, ChatPrompt)
        yield GroundedGeneration(_events(app, question_of(request.prompt), passages, options), ticket)


def question_of(prompt: ChatPrompt) -> str:
    """What is asked: the last words of the user."""
    return next((message.content for message in reversed(prompt.messages) if message.role == "user"), "")


async def _events(
    app: App, question: str, passages: Sequence[Passage], options: GroundingOptions
) -> AsyncIterator[GroundedEvent]:
    sources = [Source(passage.text, passage.score) for passage in passages]
    found = await extract(question, sources, embedding(app))
    threshold = default_threshold("extract", question) if options.threshold is None else options.threshold
    if not found.candidates or (options.abstain and found.confidence < threshold):
        yield _says(abstention(question))
        hints = nearest(found, passages)
        yield GroundedVerdict(Verdict.ABSTAINED, found.confidence, (), threshold, hints, len(passages))
    else:
        for event in _answer(question, passages, found, threshold):
            yield event
    yield ChatEvent(0, (), None, "stop")


def _answer(question: str, passages: Sequence[Passage], found: Extract, threshold: float) -> list[GroundedEvent]:
    """Each sentence on a line of its own, between quotation marks."""
    marks = choose_marks((passage.text for passage in passages), is_japanese=is_japanese(question))
    events: list[GroundedEvent] = []
    sentences: list[SentenceSupport] = []
    length = 0
    for source, span, probability in found.candidates:
        start = length + (1 if sentences else 0)
        text = f"{marks.open}{span.of(passages[source].text)}{marks.close}"
        length = start + len(text)
        citation = cite(passages[source], span.start, span.end, index=length, support=probability)
        sentences.append(SentenceSupport(start, length, probability, (citation,)))
        events += [_says(text if len(sentences) == 1 else f"\n{text}"), citation]
    verdict = Verdict.SUPPORTED if found.confidence >= threshold else Verdict.PARTLY
    return [*events, GroundedVerdict(verdict, found.confidence, tuple(sentences), threshold, (), len(passages))]


def nearest(found: Extract, passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """The passages of the best sentences, once each."""
    order = dict.fromkeys(candidate.source for candidate in found.candidates)
    return tuple(passages[source] for source in order)[:_HINTS]


def embedding(app: App) -> Embed | None:
    """Texts -> vectors, by the embedding model that is loaded; None without one."""
    if not app.models.embedders:
        return None
    served = app.models.embedders[0]

    async def embed(texts: Sequence[str]) -> list[list[float]]:
        ids = await app.workers.run(sum(map(len, texts)), tokenize, served.tokenizer, texts)
        limit = served.embedder.max_input_tokens
        return await served.embedder.embed([tokens[:limit] for tokens in ids])

    return embed


def _says(text: str) -> ChatEvent:
    return ChatEvent(0, (ContentDelta(text),), None, None)

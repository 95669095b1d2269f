"""The extractive answer: the best sentences of the passages, each a citation. Nothing is generated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from owngpt.retrieval.cite import cite
from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatEvent, ChatPrompt
from owngpt.service.evidence import Evidence, gather, question_of
from owngpt.service.generate import GenerationRequest, admitted
from owngpt.service.grounded import (
    Find,
    GroundedEvent,
    GroundedGeneration,
    GroundedVerdict,
    GroundingOptions,
    SentenceSupport,
)
from owngpt.service.thresholds import threshold_for
from owngpt.text.output import ContentDelta
from owngpt.text.quotes import choose_marks
from owngpt.trust.abstain import abstention
from owngpt.trust.extract import best
from owngpt.trust.language import is_japanese
from owngpt.types import Verdict


@asynccontextmanager
async def extracted(
    app: App, caller: Caller, request: GenerationRequest, find: Find, options: GroundingOptions
) -> AsyncIterator[GroundedGeneration]:
    """See `grounding.ground`. It takes no engine, and is admitted and settled like any other answer."""
    assert isinstance(request.prompt, ChatPrompt)
    question = question_of(request.prompt)
    async with admitted(app, caller, request, "extract") as admission:
        threshold = await threshold_for(app, caller, options, question)
        evidence = await gather(app, question, await find())
        events = from_evidence(request.prompt, evidence, options, threshold)
        yield GroundedGeneration(events, admission.ticket)


async def from_evidence(
    prompt: ChatPrompt, evidence: Evidence, options: GroundingOptions, threshold: float
) -> AsyncIterator[GroundedEvent]:
    """The answer, or the word that there is none: where the answer had to be JSON, that is a verdict without words,
    which the caller makes a refusal.
    """
    is_prose = prompt.response_format.type == "text"
    is_hopeless = options.abstain and evidence.confidence < threshold
    say = abstained if not evidence.ranked or is_hopeless else answered
    for event in say(evidence, threshold):
        if is_prose or say is answered or isinstance(event, GroundedVerdict):
            yield event
    yield ChatEvent(0, (), None, "stop")


def abstained(evidence: Evidence, threshold: float, support: float | None = None) -> Iterator[GroundedEvent]:
    """To say that there is no answer; `support` is how near it came."""
    message = abstention(evidence.question)
    yield says(message)
    support = evidence.confidence if support is None else support
    num_passages = len(evidence.passages)
    yield GroundedVerdict(
        Verdict.ABSTAINED, support, (), threshold, evidence.hints, num_passages=num_passages, message=message
    )


def answered(evidence: Evidence, threshold: float) -> Iterator[GroundedEvent]:
    """Each sentence on a line of its own, between quotation marks."""
    texts = [passage.text for passage in evidence.passages]
    marks = choose_marks(texts, is_japanese=is_japanese(evidence.question))
    sentences: list[SentenceSupport] = []
    for source, span, _ in best(evidence.ranked, texts):
        start = sentences[-1].end + 1 if sentences else 0
        text = f"{marks.open}{span.of(texts[source])}{marks.close}"
        citation = cite(evidence.passages[source], *span, index=start + len(text), support=1.0)
        yield says(f"\n{text}" if sentences else text)
        yield citation
        sentences.append(SentenceSupport(start, citation.index, 1.0, (citation,)))
    verdict = Verdict.SUPPORTED if evidence.confidence >= threshold else Verdict.PARTLY
    support, num_passages = evidence.confidence, len(evidence.passages)
    yield GroundedVerdict(verdict, support, tuple(sentences), threshold, num_passages=num_passages, is_extract=True)


def says(text: str) -> ChatEvent:
    """More of the answer."""
    return ChatEvent(0, (ContentDelta(text),), None, None)

"""The generated answer: the model sees the passages and writes; its quotes are locked while it does, and each sentence
is weighed when it is complete.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

from owngpt.errors import InvalidRequest
from owngpt.retrieval.ground import Fitted, cache_key, fit, show
from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatEvent, ChatPrompt, ChatReader
from owngpt.service.evidence import Evidence, embedding, gather, question_of, said_of
from owngpt.service.extracting import from_evidence
from owngpt.service.fields import FieldAnswer, with_quotes
from owngpt.service.generate import Caching, Generation, GenerationRequest, admitted, running
from owngpt.service.grounded import Find, GroundedEvent, GroundedGeneration, GroundingOptions
from owngpt.service.models import ServedModel
from owngpt.service.privacy.chat import Reader
from owngpt.service.prose import ProseAnswer
from owngpt.service.thresholds import threshold_for
from owngpt.text.quotes import Quotable, choose_marks
from owngpt.trust.language import is_japanese, language_of
from owngpt.trust.support import CombinedScorer
from owngpt.types import Message, Passage

_ANSWER = 512  # tokens that an answer is left room for, where the request sets no limit
_FRAME = 256  # tokens that are said around the passages


class Plan(NamedTuple):
    """What is generated, and from what."""

    request: GenerationRequest
    shown: Fitted
    quotable: Quotable


@asynccontextmanager
async def quoted(
    app: App, caller: Caller, request: GenerationRequest, find: Find, options: GroundingOptions
) -> AsyncIterator[GroundedGeneration]:
    """See `grounding.ground`. What no sentence of the passages answers well enough is not even generated."""
    if options.mode == "quote" and request.sampling.logprobs is not None:
        raise InvalidRequest("'logprobs' cannot be had of an answer with locked quotes", param="logprobs")
    assert isinstance(request.prompt, ChatPrompt)
    question = question_of(request.prompt)
    async with admitted(app, caller, request, request.prompt.operation) as admission:
        threshold = await threshold_for(app, caller, options, question)
        evidence = await gather(app, question, await find())
        if options.mode == "quote" and _is_hopeless(request.prompt, evidence, options, threshold):
            yield GroundedGeneration(from_evidence(request.prompt, evidence, options, threshold), admission.ticket)
            return
        size = sum(len(passage.text) for passage in evidence.passages)
        plan = await app.workers.run(size, _plan, caller, request, evidence, options)
        async with running(app, caller, plan.request, admission) as generation:
            reader = ChatReader(request.model, request.prompt, 1)
            if options.mode == "off":
                yield GroundedGeneration(as_it_is(generation, reader), generation)
                return
            kind = ProseAnswer if request.prompt.response_format.type == "text" else FieldAnswer
            scorer = CombinedScorer(embedding(app, question), app.workers)
            answer = kind(plan.shown, plan.quotable.marks, evidence, scorer, options, threshold)
            yield GroundedGeneration(_events(generation, reader, answer), generation)


def _is_hopeless(prompt: ChatPrompt, evidence: Evidence, options: GroundingOptions, threshold: float) -> bool:
    """Whether the answer is known to be none. A model with tools may still call them, whatever was found."""
    is_unanswered = not evidence.passages or evidence.confidence < threshold
    may_call = bool(prompt.tool_use.tools) and prompt.tool_use.choice.mode != "none"
    return options.abstain and is_unanswered and not may_call


async def as_it_is(generation: Generation, reader: Reader) -> AsyncIterator[GroundedEvent]:
    """Answers whose passages, if any, are the model's own business."""
    async for event in generation:
        yield reader.read(event)


async def _events(
    generation: Generation, reader: Reader, answer: ProseAnswer | FieldAnswer
) -> AsyncIterator[GroundedEvent]:
    """The answer's events; its end is told last."""
    async for event in generation:
        read = reader.read(event)
        for item in await answer.read(read):
            yield item
        if read.finish_reason is not None:
            for item in await answer.finish():
                yield item
            reason = "stop" if answer.is_withheld else read.finish_reason
            yield ChatEvent(read.index, (), None, reason)


def _plan(caller: Caller, request: GenerationRequest, evidence: Evidence, options: GroundingOptions) -> Plan:
    """The request with the passages in its last question, as many as fit."""
    prompt, model = request.prompt, request.model
    assert isinstance(prompt, ChatPrompt)
    shown = _fit(request, prompt, evidence)
    texts = [passage.text for passage in shown.passages]
    quotable = Quotable(texts, choose_marks(texts, is_japanese=is_japanese(evidence.question)))
    is_prose = prompt.response_format.type == "text"
    is_locked = options.mode == "quote"
    grounded = replace(prompt, quotable=quotable if is_locked and is_prose else None)
    if shown.passages:
        content = show(
            shown.passages,
            said_of(prompt),
            language=language_of(evidence.question),
            scope=caller.project_id,
            marks=quotable.marks if is_locked and is_prose else None,
        )
        grounded = replace(grounded, messages=_with_question(prompt.messages, content))
    if is_locked and not is_prose:
        grounded = replace(grounded, response_format=with_quotes(prompt.response_format, texts))
    caching = _caching(request.caching, shown.passages)
    return Plan(replace(request, model=model, prompt=grounded, caching=caching), shown, quotable)


def _fit(request: GenerationRequest, prompt: ChatPrompt, evidence: Evidence) -> Fitted:
    """What fits beside the conversation, and leaves room for an answer."""
    model, limit = request.model, request.model.engine.max_model_len
    own = len(model.chat.encode(prompt.messages, prompt.tool_use.tools, limit=limit))
    answer = min(request.sampling.max_tokens or _ANSWER, limit // 3)
    budget = max(1, limit - own - answer - min(_FRAME, limit // 6))
    return fit(evidence.passages, budget, _counter(model), evidence.best_of, evidence.likeliest)


def _counter(model: ServedModel):  # type: ignore[no-untyped-def]
    return lambda text: len(model.tokenizer.encode(text))


def _with_question(messages: Sequence[Message], content: str) -> list[Message]:
    """With other words in the last turn of the user; a new one, where there is none."""
    last = max((i for i, message in enumerate(messages) if message.role == "user"), default=None)
    if last is None:
        return [*messages, Message("user", content)]
    return [*messages[:last], replace(messages[last], content=content), *messages[last + 1 :]]


def _caching(caching: Caching, passages: Sequence[Passage]) -> Caching:
    """Restricted passages stay in memory, among those who may read them."""
    key = cache_key(caching.key, passages)
    return caching if key == caching.key else Caching(key, is_durable=False)

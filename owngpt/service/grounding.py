"""Answers from given passages: every quote is verbatim, every citation names its place, or there is no answer.

`ground` is to passages what `generate` is to a prompt; Chat Completions (`documents`) and Responses (`file_search`)
call it. It never looks for passages: what it is given is what the caller may read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from owngpt.errors import InvalidRequest
from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatPrompt
from owngpt.service.extracting import extracted
from owngpt.service.generate import GenerationRequest
from owngpt.service.grounded import (
    GroundedEvent,
    GroundedGeneration,
    GroundedVerdict,
    GroundingOptions,
    Mode,
    SentenceSupport,
)
from owngpt.service.privacy.grounded import guarded
from owngpt.service.privacy.passages import blanked
from owngpt.service.quoting import as_it_is, quoted
from owngpt.types import Passage

__all__ = [
    "GroundedEvent",
    "GroundedGeneration",
    "GroundedVerdict",
    "GroundingOptions",
    "Mode",
    "SentenceSupport",
    "as_it_is",
    "ground",
]


@asynccontextmanager
async def ground(
    app: App,
    caller: Caller,
    request: GenerationRequest,
    passages: Sequence[Passage],
    options: GroundingOptions,
) -> AsyncIterator[GroundedGeneration]:
    """One grounded answer: events of a chat whose text is clean of internal marks, citations as they are complete, and
    at the end one `GroundedVerdict`. The request's prompt is a `ChatPrompt`; one choice only.

    Entering admits it, leaving aborts and settles it, as with `generate`, whose errors it raises as well.
    """
    assert isinstance(request.prompt, ChatPrompt), "only chats can be grounded"
    if request.sampling.n != 1:
        raise InvalidRequest(f"'n' is {request.sampling.n}; an answer from documents has one choice", param="n")
    app.privacy.check(caller, request.guard, request.sampling)
    if (guard := request.guard) is not None:
        size = sum(len(passage.text) for passage in passages)
        passages = await app.workers.run(size, blanked, passages, guard)
    answer = extracted if options.mode == "extract" else quoted
    async with answer(app, caller, request, passages, options) as generation:
        if guard is None:
            yield generation
        else:
            is_json = request.prompt.response_format.type != "text"
            yield GroundedGeneration(guarded(guard, aiter(generation), is_json=is_json), generation)

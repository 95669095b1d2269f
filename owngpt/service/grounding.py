"""Answers from given passages: every quote is verbatim, every citation names its place, or there is no answer.

`ground` is to passages what `generate` is to a prompt; Chat Completions (`documents`) and Responses (`file_search`)
call it. It does not know how passages are looked for: what it is given is what the caller may read.
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
    Find,
    GroundedEvent,
    GroundedGeneration,
    GroundedVerdict,
    GroundingOptions,
    Mode,
    SentenceSupport,
    given,
)
from owngpt.service.privacy import Guard
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
    "given",
    "ground",
]


@asynccontextmanager
async def ground(
    app: App,
    caller: Caller,
    request: GenerationRequest,
    find: Find,
    options: GroundingOptions,
) -> AsyncIterator[GroundedGeneration]:
    """One grounded answer: events of a chat whose text is clean of internal marks, citations as they are complete, and
    at the end one `GroundedVerdict`. The request's prompt is a `ChatPrompt`; one choice only.

    Entering admits it, then calls `find`, so a request that is refused costs nothing; leaving aborts and settles it, as
    with `generate`. Raises on entering what `generate` and `find` do.
    """
    assert isinstance(request.prompt, ChatPrompt), "only chats can be grounded"
    if request.sampling.n != 1:
        raise InvalidRequest(f"'n' is {request.sampling.n}; an answer from documents has one choice", param="n")
    app.privacy.check(caller, request.guard, request.sampling)
    guard, answer = request.guard, extracted if options.mode == "extract" else quoted
    async with answer(
        app, caller, request, find if guard is None else _blanking(app, guard, find), options
    ) as generation:
        if guard is None:
            yield generation
        else:
            is_json = request.prompt.response_format.type != "text"
            yield GroundedGeneration(guarded(guard, aiter(generation), is_json=is_json), generation)


def _blanking(app: App, guard: Guard, find: Find) -> Find:
    """What is found, as the policy lets it be seen."""

    async def find_blanked() -> Sequence[Passage]:
        passages = await find()
        return await app.workers.run(sum(len(passage.text) for passage in passages), blanked, passages, guard)

    return find_blanked

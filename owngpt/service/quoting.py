"""The generated answer: the model sees the passages and writes; what it says is told apart into text and citations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatPrompt, ChatReader
from owngpt.service.generate import Generation, GenerationRequest, generate
from owngpt.service.grounded import GroundedEvent, GroundedGeneration, GroundingOptions
from owngpt.types import Passage


@asynccontextmanager
async def quoted(
    app: App, caller: Caller, request: GenerationRequest, passages: Sequence[Passage], options: GroundingOptions
) -> AsyncIterator[GroundedGeneration]:
    """See `grounding.ground`."""
    assert isinstance(request.prompt, ChatPrompt)
    reader = ChatReader(request.model, request.prompt, 1)
    async with generate(app, caller, request) as generation:
        yield GroundedGeneration(_events(generation, reader), generation)


async def _events(generation: Generation, reader: ChatReader) -> AsyncIterator[GroundedEvent]:
    async for event in generation:
        yield reader.read(event)

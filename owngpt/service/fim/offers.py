"""What is offered while a model fills a gap: its events, cut where they have to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Literal, NamedTuple, Protocol

from owngpt.service.app import App
from owngpt.service.fim.checks import check_of
from owngpt.service.fim.cutter import Cutter, mode_of
from owngpt.service.fim.gap import Gap
from owngpt.service.fim.prompt import FimPrompt
from owngpt.service.generate import Generation
from owngpt.types import FinishReason

Asked = Literal["auto", "line", "block", "raw"]


class Offer(NamedTuple):
    """Some more of the text; the last one says why it is the last."""

    text: str
    finish_reason: FinishReason | None = None


class _Part(Protocol):
    """What decides how much of a text is offered."""

    @property
    def is_done(self) -> bool: ...
    def feed(self, text: str) -> str: ...
    def finish(self) -> str: ...


class _Everything:
    """All of it, as the model says it."""

    is_done = False

    def feed(self, text: str) -> str:
        return text

    def finish(self) -> str:
        return ""


async def offers(app: App, prompt: FimPrompt, generation: Generation, asked: Asked) -> AsyncGenerator[Offer, None]:
    """The offers of one generation. Whoever leaves it behind the last one ends what the model may still be saying.

    The file is looked at while the model reads the prompt.
    """
    looking = asyncio.ensure_future(app.workers.run(prompt.cost, _part, prompt.gap, asked))
    num_hidden = len(prompt.begins_with)  # characters that were typed already
    try:
        async for event in generation:
            said, num_hidden = event.text[num_hidden:], max(0, num_hidden - len(event.text))
            part = await looking
            shown, reason = part.feed(said), event.finish_reason
            if reason is None and part.is_done:
                reason = FinishReason.STOP
            shown += part.finish() if reason else ""
            yield Offer(shown.replace("\n", prompt.gap.newline), reason)
            if reason is not None:
                break
    finally:
        looking.cancel()
    await generation.settle()


def _part(gap: Gap, asked: Asked) -> _Part:
    if asked == "raw":
        return _Everything()
    return Cutter(gap.nearby, check_of(gap.nearby), mode_of(gap, asked))

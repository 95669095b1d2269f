"""Citations of an answer that is looked through: they come after the text that they stand in, at their new places."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from owngpt.service.chat import ChatEvent
from owngpt.service.grounded import GroundedEvent, GroundedVerdict, SentenceSupport
from owngpt.service.privacy import Guard, Policy
from owngpt.service.privacy.finder import Finder
from owngpt.service.privacy.grounded import guarded
from owngpt.text.output import ContentDelta, ReasoningDelta, ToolCallArguments, ToolCallStart
from owngpt.types import Citation, Verdict

pytestmark = pytest.mark.anyio

SAID = "Dear <PERSON_1>, hanako@example.com says so. " + "And so on, and so forth. " * 4
MARK = SAID.index(" And so on")
SHOWN = SAID.replace("<PERSON_1>", "田中太郎").replace("hanako@example.com", "<EMAIL_1>")


async def events(step: int) -> AsyncIterator[GroundedEvent]:
    for i in range(0, len(SAID), step):
        yield ChatEvent(0, [ContentDelta(SAID[i : i + step])], None, None)
        if i <= MARK < i + step:
            yield Citation(MARK, "so", "file-a", "a.txt", 0, 2)
    yield GroundedVerdict(
        Verdict.SUPPORTED, 1.0, (SentenceSupport(0, MARK, 1.0), SentenceSupport(MARK, len(SAID), 0.5))
    )
    yield ChatEvent(0, (), None, "stop")


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_citations_keep_their_places(step: int) -> None:
    guard = Guard(Finder(Policy("mask")))
    guard.mask("田中太郎様")
    text, seen = "", []
    async for event in guarded(guard, events(step)):
        if isinstance(event, ChatEvent):
            text += "".join(delta.text for delta in event.deltas if isinstance(delta, ContentDelta))
            seen.append(event.finish_reason)
        elif isinstance(event, Citation):
            assert SHOWN[event.index :].startswith(" And so on")
            assert len(text) >= event.index
            seen.append("citation")
        else:
            assert [(s.start, s.end) for s in event.sentences] == [
                (0, SHOWN.index(" And so on")),
                (SHOWN.index(" And so on"), len(SHOWN)),
            ]
            seen.append("verdict")
    assert text == SHOWN
    assert [item for item in seen if item] == ["citation", "verdict", "stop"]


async def test_nothing_that_was_held_back_is_lost_or_late() -> None:
    """Thinking and arguments of calls were cut by what is held back, and a verdict overtook the end of its text."""

    async def said() -> AsyncIterator[GroundedEvent]:
        yield ChatEvent(0, [ReasoningDelta("Let me see.")], None, None)
        yield ChatEvent(0, [ContentDelta("It says so.")], None, None)
        yield Citation(11, "so", "file-a", "a.txt", 0, 2)
        yield ChatEvent(0, [ToolCallStart(0, "call_1", "look_up", "function")], None, None)
        yield ChatEvent(0, [ToolCallArguments(0, '{"word": "so"}')], None, None)
        yield ChatEvent(0, [ContentDelta("Done.")], None, None)
        yield GroundedVerdict(Verdict.ABSTAINED, 0.0)
        yield ChatEvent(0, (), None, "stop")

    seen: list[str] = []
    async for event in guarded(Guard(Finder(Policy("mask"))), said()):
        if isinstance(event, ChatEvent):
            seen += [getattr(delta, "text", "call") for delta in event.deltas]
        else:
            seen.append(type(event).__name__)
    assert seen == [
        "Let me see.",
        "It says so.",
        "Citation",
        "call",
        '{"word": "so"}',
        "Done.",
        "GroundedVerdict",
    ]

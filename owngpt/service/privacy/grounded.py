"""A grounded answer's way out: its text is looked through, and what counts its characters is counted anew."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from owngpt.service.chat import ChatEvent
from owngpt.service.grounded import GroundedEvent, GroundedVerdict, SentenceSupport
from owngpt.service.privacy.chat import is_same
from owngpt.service.privacy.guard import Guard
from owngpt.service.privacy.output import OutputStream
from owngpt.text.output import ContentDelta, OutputDelta, ToolCallArguments, ToolCallStart
from owngpt.types import Citation


async def guarded(
    guard: Guard, events: AsyncIterator[GroundedEvent], *, is_json: bool = False
) -> AsyncIterator[GroundedEvent]:
    """The events with texts that are safe to show. Citations come when the text before their mark has been shown."""
    answer = _Answer(guard, is_json=is_json)
    async for event in events:
        for shown in answer.passed(event):
            yield shown


class _Answer:
    """One answer. Its content is one text, whatever stands between its pieces."""

    def __init__(self, guard: Guard, *, is_json: bool) -> None:
        self._guard = guard
        self._content = guard.stream(as_json=is_json)
        self._others: dict[int | None, OutputStream] = {}  # the arguments of each call, and thinking
        self._custom: set[int] = set()  # calls whose input is free text
        self._part: OutputDelta | None = None  # the latest delta: of what kind the text is that is held back
        self._waiting: list[Citation | GroundedVerdict] = []
        self._is_final = False

    def passed(self, event: GroundedEvent) -> Iterator[GroundedEvent]:
        if isinstance(event, Citation | GroundedVerdict):
            self._waiting.append(event)
        else:
            yield from self._read(event)
        yield from self._placed()

    def _read(self, event: ChatEvent) -> Iterator[GroundedEvent]:
        for delta in event.deltas:
            if self._part is not None and not is_same(self._part, delta):
                yield from self._rest(event)
            self._part = delta
            if isinstance(delta, ToolCallStart):
                if delta.type == "custom":
                    self._custom.add(delta.index)
                yield replace(event, deltas=(delta,), finish_reason=None)
            elif text := self._stream(delta).feed(delta.text):
                yield replace(event, deltas=(replace(delta, text=text),), finish_reason=None)
        if event.finish_reason is not None:
            yield from self._rest(event)
            self._is_final = True
            yield from self._placed()
            yield replace(event, deltas=())

    def _rest(self, event: ChatEvent) -> Iterator[GroundedEvent]:
        """What is held back of the text that has ended, and what has waited for it."""
        part = self._part
        if part is not None and not isinstance(part, ToolCallStart) and (text := self._stream(part).finish()):
            yield replace(event, deltas=(replace(part, text=text),), finish_reason=None)
        yield from self._placed()

    def _stream(self, delta: OutputDelta) -> OutputStream:
        if isinstance(delta, ContentDelta):
            return self._content
        call = delta.index if isinstance(delta, ToolCallArguments) else None
        if call not in self._others:
            self._others[call] = self._guard.stream(as_json=call is not None and call not in self._custom)
        return self._others[call]

    def _placed(self) -> Iterator[GroundedEvent]:
        """What has waited for text that has been shown now; a verdict waits for all of it."""
        while self._waiting:
            event = self._waiting[0]
            is_shown = self._is_final or (isinstance(event, Citation) and self._content.place(event.index) is not None)
            if not is_shown:
                return
            yield self._moved(self._waiting.pop(0))

    def _moved(self, event: Citation | GroundedVerdict) -> GroundedEvent:
        if isinstance(event, Citation):
            return replace(event, index=self._place(event.index))
        return replace(event, sentences=tuple(map(self._moved_sentence, event.sentences)))

    def _moved_sentence(self, sentence: SentenceSupport) -> SentenceSupport:
        citations = tuple(replace(citation, index=self._place(citation.index)) for citation in sentence.citations)
        return replace(sentence, start=self._place(sentence.start), end=self._place(sentence.end), citations=citations)

    def _place(self, index: int) -> int:
        place = self._content.place(index)
        assert place is not None, "what is moved has been shown"
        return place

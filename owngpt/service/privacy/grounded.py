"""A grounded answer's way out: its text is looked through, and what counts its characters is counted anew."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from owngpt.service.chat import ChatEvent
from owngpt.service.grounded import GroundedEvent, GroundedVerdict, SentenceSupport
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
        self._others: dict[object, OutputStream] = {}  # thinking, and the arguments of each call
        self._waiting: list[Citation | GroundedVerdict] = []

    def passed(self, event: GroundedEvent) -> Iterator[GroundedEvent]:
        if isinstance(event, Citation | GroundedVerdict):
            self._waiting.append(event)
        else:
            yield from self._read(event)
        yield from self._placed()

    def _read(self, event: ChatEvent) -> Iterator[GroundedEvent]:
        is_last = event.finish_reason is not None
        deltas: list[OutputDelta] = []
        for delta in event.deltas:
            if isinstance(delta, ToolCallStart):
                deltas.append(delta)
            elif text := self._stream(delta).feed(delta.text):
                deltas.append(replace(delta, text=text))
        if is_last and (text := self._content.finish()):
            deltas.append(ContentDelta(text))
        if is_last and self._waiting:
            if deltas:
                yield replace(event, deltas=deltas, finish_reason=None)
            yield from self._placed()
            deltas = []
        if deltas or is_last:
            yield replace(event, deltas=deltas)

    def _stream(self, delta: OutputDelta) -> OutputStream:
        if isinstance(delta, ContentDelta):
            return self._content
        key = delta.index if isinstance(delta, ToolCallArguments) else type(delta)
        if key not in self._others:
            self._others[key] = self._guard.stream(as_json=isinstance(delta, ToolCallArguments))
        return self._others[key]

    def _placed(self) -> Iterator[GroundedEvent]:
        """What has waited for text that has been shown now."""
        while self._waiting:
            event = self._waiting[0]
            last = event.index if isinstance(event, Citation) else max((s.end for s in event.sentences), default=0)
            if self._content.place(last) is None:
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

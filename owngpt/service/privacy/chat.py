"""A chat's way out: answer, thinking and the arguments of calls, each looked through as one text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from owngpt.service.chat import ChatEvent, ChatPrompt, ChatReader
from owngpt.service.generate import GenerationRequest
from owngpt.service.privacy.guard import Guard
from owngpt.service.privacy.output import OutputStream
from owngpt.text.output import ContentDelta, OutputDelta, ReasoningDelta, ToolCallArguments, ToolCallStart
from owngpt.types import TokenEvent


class Reader(Protocol):
    """What tells the parts of an answer apart."""

    def read(self, event: TokenEvent) -> ChatEvent: ...


def reader_of(request: GenerationRequest, prompt: ChatPrompt) -> Reader:
    """What reads the answers of a request: where it has a guard, they are looked through."""
    reader, n = ChatReader(request.model, prompt, request.sampling.n), request.sampling.n
    if request.guard is None:
        return reader
    return GuardedReader(request.guard, reader, n, is_json=prompt.response_format.type != "text")


class GuardedReader:
    """A reader whose events are looked through. `is_json`: the answer's text is JSON, as its format wants it."""

    def __init__(self, guard: Guard, reader: Reader, n: int, *, is_json: bool = False) -> None:
        self._reader = reader
        self._choices = [GuardedChoice(guard, is_json=is_json) for _ in range(n)]

    def read(self, event: TokenEvent) -> ChatEvent:
        """What the event means, as far as it may be shown yet."""
        return self._choices[event.index].passed(self._reader.read(event))


class GuardedChoice:
    """One answer."""

    def __init__(self, guard: Guard, *, is_json: bool = False) -> None:
        self._guard, self._is_json = guard, is_json
        self._part: OutputDelta | None = None  # the latest delta: of what kind the text is that is held back
        self._stream: OutputStream | None = None
        self._custom: set[int] = set()  # calls whose input is free text

    def passed(self, event: ChatEvent) -> ChatEvent:
        """The event, with deltas that are safe to show."""
        deltas = [shown for delta in event.deltas for shown in self._passed(delta)]
        if event.finish_reason is not None:
            deltas += self._rest()
        return replace(event, deltas=deltas)

    def _passed(self, delta: OutputDelta) -> Iterator[OutputDelta]:
        if self._part is None or not is_same(self._part, delta):
            yield from self._rest()
        if isinstance(delta, ToolCallStart):
            if delta.type == "custom":
                self._custom.add(delta.index)
            yield delta
            return
        if self._stream is None:
            self._stream = self._guard.stream(as_json=self._holds_json(delta))
        self._part = delta
        if text := self._stream.feed(delta.text):
            yield replace(delta, text=text)

    def _rest(self) -> Sequence[OutputDelta]:
        """What is held back of the text that has ended."""
        stream, part = self._stream, self._part
        self._stream = self._part = None
        if stream is None or part is None or isinstance(part, ToolCallStart):
            return ()
        text = stream.finish()
        return (replace(part, text=text),) if text else ()

    def _holds_json(self, delta: OutputDelta) -> bool:
        if isinstance(delta, ToolCallArguments):
            return delta.index not in self._custom
        return isinstance(delta, ContentDelta) and self._is_json


def is_same(one: OutputDelta, other: OutputDelta) -> bool:
    """Whether both are pieces of one text."""
    if isinstance(one, ToolCallArguments) and isinstance(other, ToolCallArguments):
        return one.index == other.index
    return type(one) is type(other) and isinstance(one, ContentDelta | ReasoningDelta)

"""What one pass of the model says. Its words are one text, whose characters citations count; in a response they may
stand in several messages, with calls between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from owngpt.service.grounded import GroundedVerdict, SentenceSupport
from owngpt.service.responses.open_items import OpenMessage
from owngpt.types import Citation


class Placed(NamedTuple):
    """A citation with the message that it stands in, whose characters its `index` counts."""

    message: OpenMessage
    citation: Citation


class Spoken:
    """The messages of a pass, in their order."""

    def __init__(self) -> None:
        self._messages: list[OpenMessage] = []
        self._starts: list[int] = []  # of each message, in the text of the pass
        self._length = 0

    def __bool__(self) -> bool:
        return bool(self._messages)

    def begin(self, message: OpenMessage) -> None:
        """From here on the words are of this message."""
        self._messages.append(message)
        self._starts.append(self._length)

    def add(self, text: str) -> None:
        """More words of the newest message."""
        self._length += len(text)

    def place(self, citation: Citation) -> Placed:
        """The message that ends a quote, which may be closed already."""
        number = max(i for i, start in enumerate(self._starts) if start < citation.index or i == 0)
        return Placed(self._messages[number], replace(citation, index=citation.index - self._starts[number]))

    def verdicts(self, verdict: GroundedVerdict) -> Iterator[tuple[OpenMessage, GroundedVerdict]]:
        """For each message what the answer is worth, with the message's own sentences."""
        ends = [*self._starts, self._length][1:]
        for message, start, end in zip(self._messages, self._starts, ends, strict=True):
            yield message, replace(verdict, sentences=_within(verdict.sentences, start, end))


def _within(sentences: Sequence[SentenceSupport], start: int, end: int) -> tuple[SentenceSupport, ...]:
    """The sentences that begin there, cut where it ends."""
    return tuple(
        SentenceSupport(
            sentence.start - start,
            min(sentence.end, end) - start,
            sentence.support,
            tuple(replace(one, index=one.index - start) for one in sentence.citations if start < one.index <= end),
        )
        for sentence in sentences
        if start <= sentence.start < end
    )

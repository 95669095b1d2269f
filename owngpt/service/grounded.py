"""What a grounded answer is made of: options on the way in, events on the way out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from owngpt.service.chat import ChatEvent
from owngpt.types import Citation, Passage, Usage, Verdict

Mode = Literal["quote", "extract", "off"]
Find = Callable[[], Awaitable[Sequence[Passage]]]  # what is looked for once a request is admitted


@dataclass(frozen=True, slots=True)
class GroundingOptions:
    """How an answer is tied to its passages.

    quote: free text, in which quotation marks stand only around verbatim, cited text. extract: the best sentences
    themselves, without generating. off: the passages are shown to the model, and nothing is promised.
    """

    mode: Mode = "quote"
    abstain: bool = True  # say so instead of answering where nothing reaches the threshold
    threshold: float | None = None  # of support, 0 to 1; None: the project's, or the bundled one

    @property
    def is_generated(self) -> bool:
        """Whether the answer is the model's own in any case, so that it can be made again from its tokens."""
        return self.mode != "extract" and not self.abstain


@dataclass(frozen=True, slots=True)
class SentenceSupport:
    """A sentence of the answer, `text[start:end]`, and how well its sources bear it out."""

    start: int
    end: int
    support: float
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class GroundedVerdict:
    """The last event: what the answer is worth."""

    verdict: Verdict
    support: float  # of the answer, 0 to 1: what is compared with the threshold
    sentences: tuple[SentenceSupport, ...] = ()
    threshold: float = 0.0
    hints: tuple[Passage, ...] = ()  # of an abstention: the passages that came nearest
    num_passages: int = 0  # that were given
    num_omitted: int = 0  # of these, those that did not fit the model's context
    is_extract: bool = False  # the answer was not generated
    message: str = ""  # of an abstention: what is said instead of an answer


class Meter(Protocol):
    """What knows the cost so far: a generation, or the ticket of an answer that was not generated."""

    @property
    def usage(self) -> Usage: ...


GroundedEvent = ChatEvent | Citation | GroundedVerdict


class GroundedGeneration:
    """A running grounded answer: iterate over its events; `usage` is what it has cost so far."""

    def __init__(self, events: AsyncIterator[GroundedEvent], meter: Meter) -> None:
        self._events, self._meter = events, meter

    @property
    def usage(self) -> Usage:
        return self._meter.usage

    def __aiter__(self) -> AsyncIterator[GroundedEvent]:
        return self._events


def given(passages: Sequence[Passage]) -> Find:
    """Passages that are there already."""

    async def find() -> Sequence[Passage]:
        return passages

    return find

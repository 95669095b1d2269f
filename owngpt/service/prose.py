"""A free answer with quotes, while it comes: clean text, citations, and each sentence's support.

With `abstain`, nothing is shown before a sentence has reached the threshold; from then on everything is. So an answer
that is shown has such a sentence, and one that has none is never shown: in its place come the passages' own sentences,
if the best of them reaches it, or the word that there is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from owngpt.retrieval.cite import QuoteReader
from owngpt.retrieval.ground import Fitted
from owngpt.service.chat import ChatEvent
from owngpt.service.evidence import Evidence
from owngpt.service.extracting import abstained, answered, says
from owngpt.service.grounded import GroundedEvent, GroundedVerdict, GroundingOptions, SentenceSupport
from owngpt.text.output import ContentDelta, ToolCallStart
from owngpt.text.quotes import QuoteMarks
from owngpt.trust.abstain import verdict
from owngpt.trust.sentences import Span, split_sentences
from owngpt.trust.support import Scorer, Statement
from owngpt.types import Citation, Passage

_END = r"\s\u3000-\u9fff\uff00-\uffef"  # what ends a word, or is one
_PIECE = re.compile(f"[^{_END}]*[{_END}]|[^{_END}]+")
_ENDS = re.compile(f"[{_END}]\\Z")


class ProseAnswer:
    """One answer. Feed it the events of a chat; what it gives out is for the client."""

    def __init__(
        self,
        shown: Fitted,
        marks: QuoteMarks,
        evidence: Evidence,
        scorer: Scorer,
        options: GroundingOptions,
        threshold: float,
    ) -> None:
        self._shown, self._marks, self._evidence = shown, marks, evidence
        self._scorer, self._threshold = scorer, threshold
        self._quotes = QuoteReader(shown.passages, marks)
        self._text = ""  # clean, all of it
        self._weighed = 0  # characters of it whose sentences are weighed
        self._waiting: list[Citation] = []  # of sentences that are not complete
        self._sentences: list[SentenceSupport] = []
        self._support = 0.0  # of the answer: the best sentence's, times how likely it is to the point
        self._held: list[GroundedEvent] | None = [] if options.abstain else None  # None: everything is shown
        self._has_calls = False

    @property
    def is_withheld(self) -> bool:
        """Whether nothing of what the model said is shown."""
        return self._held is not None and not self._has_calls

    async def read(self, event: ChatEvent) -> list[GroundedEvent]:
        """What to show after this event."""
        out: list[GroundedEvent] = []
        for delta in event.deltas:
            if isinstance(delta, ToolCallStart):
                self._has_calls = True
                out += await self._take(self._quotes.finish(), is_final=True)
            if isinstance(delta, ContentDelta):
                for piece in _PIECE.findall(delta.text):
                    out += await self._take(self._quotes.feed(piece), is_whole=_ENDS.search(piece) is not None)
            else:
                out.append(replace(event, deltas=(delta,), finish_reason=None))
        return out

    async def finish(self) -> list[GroundedEvent]:
        """The rest, and the verdict; of an answer that shows nothing but calls of tools there is none."""
        out = await self._take(self._quotes.finish(), is_final=True)
        if self.is_withheld:
            return self._instead()
        if self._held is not None or not self._sentences:
            return out
        supports = [sentence.support for sentence in self._sentences]
        return [
            *out,
            GroundedVerdict(
                verdict(supports, self._support, self._threshold),
                self._support,
                tuple(self._sentences),
                self._threshold,
                num_passages=len(self._evidence.passages),
                num_omitted=self._shown.num_omitted,
            ),
        ]

    def _instead(self) -> list[GroundedEvent]:
        if self._evidence.confidence >= self._threshold:
            return list(answered(self._evidence, self._threshold))
        return list(abstained(self._evidence, self._threshold, self._support))

    async def _take(
        self, items: Sequence[str | Citation], *, is_whole: bool = True, is_final: bool = False
    ) -> list[GroundedEvent]:
        """Sentences are looked for behind whole words alone, so that they do not depend on how the text came."""
        out: list[GroundedEvent] = []
        for item in items:
            if isinstance(item, Citation):
                self._waiting.append(item)
            else:
                self._text += item
                out += self._show([says(item)])
        for span in self._complete(is_final) if is_whole else ():
            out += self._show(await self._weigh(span))
        return out

    def _show(self, events: list[GroundedEvent]) -> list[GroundedEvent]:
        """Now, or later if ever."""
        if self._held is None:
            return events
        self._held += events
        if self._support < self._threshold:
            return []
        held, self._held = self._held, None
        return held

    def _complete(self, is_final: bool) -> list[Span]:
        """Sentences that have ended. One does not end inside a quote, and not before the next one has begun."""
        if self._quotes.is_quoting and not is_final:
            return []
        spans = _joined(split_sentences(self._text[self._weighed :]), self._quoted_spans())
        spans = spans if is_final else spans[:-1]
        return [Span(span.start + self._weighed, span.end + self._weighed) for span in spans]

    def _quoted_spans(self) -> list[Span]:
        ends = ((citation.index - self._weighed, len(citation.quote) + 2) for citation in self._waiting)
        return [Span(end - length, end) for end, length in ends]

    async def _weigh(self, span: Span) -> list[GroundedEvent]:
        """The sentence's citations, with its support."""
        self._weighed = span.end
        cited = [citation for citation in self._waiting if citation.index <= span.end]
        self._waiting = self._waiting[len(cited) :]
        said = span.of(self._text).replace(self._marks.open, "").replace(self._marks.close, "")
        evidence = [passage.text for passage in self._shown.passages if _is_cited(passage, cited)]
        (support,) = await self._scorer.score([Statement(said, evidence)])
        citations = tuple(replace(citation, support=support) for citation in cited)
        self._sentences.append(SentenceSupport(span.start, span.end, support, citations))
        self._support = max(self._support, support * self._evidence.relevance(cited))
        return list(citations)


def _is_cited(passage: Passage, cited: Sequence[Citation]) -> bool:
    """A sentence without citations rests on all passages."""
    return not cited or any(citation.passage_id == passage.id for citation in cited)


def _joined(spans: Sequence[Span], quoted: Sequence[Span]) -> list[Span]:
    """Spans that end inside a quote go on in the next one."""
    joined: list[Span] = []
    for span in spans:
        if joined and any(quote.start < joined[-1].end < quote.end for quote in quoted):
            joined[-1] = Span(joined[-1].start, span.end)
        else:
            joined.append(span)
    return joined

"""An answer that conforms to a schema, some of whose fields are quotes: whole sentences of the passages.

A string that is declared `"x-owngpt-quote": true` becomes a choice among the sentences; other strings have no quotation
marks in them. Every string of the answer that is a sentence of a passage is cited.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from owngpt.errors import InvalidRequest
from owngpt.retrieval.cite import cite
from owngpt.retrieval.ground import Fitted
from owngpt.service.chat import ChatEvent
from owngpt.service.evidence import Evidence
from owngpt.service.extracting import abstained
from owngpt.service.grounded import GroundedEvent, GroundedVerdict, GroundingOptions, SentenceSupport
from owngpt.text.grammar import ResponseFormat
from owngpt.text.output import ContentDelta, ToolCallStart
from owngpt.text.quotes import DOUBLE, QuoteMarks
from owngpt.trust.abstain import verdict
from owngpt.trust.sentences import Span, split_sentences
from owngpt.trust.support import Scorer, Statement
from owngpt.types import Passage, Verdict

KEYWORD = "x-owngpt-quote"
_MAX_SENTENCES = 2_000
_UNQUOTED = f"^[^{DOUBLE}]*$"
_OWN_SHAPE = ("enum", "const", "pattern", "format", "$ref")


def with_quotes(response_format: ResponseFormat, texts: Sequence[str]) -> ResponseFormat:
    """The format with its quotes turned into choices. Raises `InvalidRequest` where there is nothing to choose from."""
    if not isinstance(response_format.schema, Mapping):
        return response_format
    found = [span.of(text) for text in texts for span in split_sentences(text)]
    sentences = list(dict.fromkeys(found))[:_MAX_SENTENCES]
    schema = _rewritten(response_format.schema, sentences, response_format.param)
    return replace(response_format, schema=schema)


def _rewritten(schema: Any, sentences: Sequence[str], path: str) -> Any:
    if isinstance(schema, list):
        return [_rewritten(item, sentences, f"{path}[{i}]") for i, item in enumerate(schema)]
    if not isinstance(schema, Mapping):
        return schema
    if schema.get(KEYWORD) is True:
        if not sentences:
            raise InvalidRequest(f"{path} is to be a quote, and there are no documents to quote", param=path)
        return {"type": "string", "enum": list(sentences)}
    inner = {
        key: value if key in ("enum", "const", "required") else _rewritten(value, sentences, f"{path}.{key}")
        for key, value in schema.items()
        if key != KEYWORD
    }
    is_free = inner.get("type") == "string" and not any(keyword in inner for keyword in _OWN_SHAPE)
    return {**inner, "pattern": _UNQUOTED} if is_free else inner


class FieldAnswer:
    """One answer. Feed it the events of a chat, as `ProseAnswer`; its support is known when it is complete."""

    def __init__(
        self,
        shown: Fitted,
        marks: QuoteMarks,
        evidence: Evidence,
        scorer: Scorer,
        options: GroundingOptions,
        threshold: float,
    ) -> None:
        self._shown, self._evidence, self._scorer = shown, evidence, scorer
        self._threshold, self._does_abstain = threshold, options.abstain
        self._text = ""
        self._held: list[GroundedEvent] = []
        self._has_calls = False
        self.is_withheld = False

    async def read(self, event: ChatEvent) -> list[GroundedEvent]:
        """What to show after this event."""
        out: list[GroundedEvent] = []
        for delta in event.deltas:
            self._has_calls = self._has_calls or isinstance(delta, ToolCallStart)
            shown = replace(event, deltas=(delta,), finish_reason=None)
            if isinstance(delta, ContentDelta):
                self._text += delta.text
                self._held.append(shown)
            else:
                out.append(shown)
        return [*out, *self._release()] if not self._does_abstain else out

    async def finish(self) -> list[GroundedEvent]:
        """The rest, the citations and the verdict; of an answer that only calls tools there is none."""
        if not self._text.strip():
            return self._release()
        sentences = [await self._weigh(*found) for found in strings(self._text)]
        cited = [citation for sentence in sentences for citation in sentence.citations]
        support = max((s.support * self._evidence.relevance(s.citations) for s in sentences), default=0.0)
        if self._does_abstain and support < self._threshold and not self._has_calls:
            self.is_withheld = True
            return [e for e in abstained(self._evidence, self._threshold, support) if isinstance(e, GroundedVerdict)]
        supports = [sentence.support for sentence in sentences]
        found = verdict(supports, support, self._threshold) if sentences else Verdict.PARTLY
        return [
            *self._release(),
            *cited,
            GroundedVerdict(
                found,
                support,
                tuple(sentences),
                self._threshold,
                num_passages=len(self._evidence.passages),
                num_omitted=self._shown.num_omitted,
            ),
        ]

    def _release(self) -> list[GroundedEvent]:
        held, self._held = self._held, []
        return held

    async def _weigh(self, start: int, end: int, value: str) -> SentenceSupport:
        (support,) = await self._scorer.score([Statement(value, [p.text for p in self._shown.passages])])
        place = self._places.get(value)
        citation = None if place is None else cite(place[0], *place[1], index=end, support=support)
        return SentenceSupport(start, end, support, () if citation is None else (citation,))

    @cached_property
    def _places(self) -> dict[str, tuple[Passage, Span]]:
        """Each sentence of the passages, and where it stands first."""
        places: dict[str, tuple[Passage, Span]] = {}
        for passage in self._shown.passages:
            for span in split_sentences(passage.text):
                places.setdefault(span.of(passage.text), (passage, span))
        return places


def strings(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, value) of each string in a JSON text that is a value, not a name; what was cut short is left out."""
    decoder, place = json.JSONDecoder(), 0
    while (start := text.find('"', place)) >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except ValueError:
            return
        place = end
        if not text[end:].lstrip().startswith(":") and value.strip():
            yield start, end, value

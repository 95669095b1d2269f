"""Citations and verdicts as JSON: the same in chats and in responses.

A citation is OpenAI's `file_citation` with fields of our own.
"""

from __future__ import annotations

from typing import Any

from owngpt.service.grounded import GroundedVerdict, SentenceSupport
from owngpt.types import Citation, Passage

_HINT = 500  # characters of a passage that is shown as a hint


def file_citation(citation: Citation) -> dict[str, Any]:
    """An annotation. `index` is where the citation stands in the text; `start` and `end` count the document's
    characters: `document[start:end] == quote`.
    """
    return {
        "type": "file_citation",
        "file_id": citation.file_id,
        "filename": citation.filename,
        "index": citation.index,
        "quote": citation.quote,
        "start": citation.start,
        "end": citation.end,
        "page": citation.page,
        "passage_id": citation.passage_id,
        "support": None if citation.support is None else round(citation.support, 4),
    }


def grounding_json(verdict: GroundedVerdict) -> dict[str, Any]:
    """What the answer is worth."""
    return {
        "verdict": verdict.verdict.value,
        "support": round(verdict.support, 4),
        "threshold": round(verdict.threshold, 4),
        "sentences": [_sentence(sentence) for sentence in verdict.sentences],
        "hints": [_hint(passage) for passage in verdict.hints],
        "is_extract": verdict.is_extract,
        "passages": verdict.num_passages,
        "omitted_passages": verdict.num_omitted,
    }


def _sentence(sentence: SentenceSupport) -> dict[str, Any]:
    return {
        "start_index": sentence.start,
        "end_index": sentence.end,
        "support": round(sentence.support, 4),
        "citations": [citation.index for citation in sentence.citations],
    }


def _hint(passage: Passage) -> dict[str, Any]:
    """A passage that came near to an answer."""
    return {
        "file_id": passage.file_id,
        "filename": passage.filename,
        "passage_id": passage.id,
        "start": passage.start,
        "page": passage.page_at(passage.start),
        "text": passage.text[:_HINT],
    }

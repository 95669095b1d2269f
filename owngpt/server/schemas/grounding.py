"""Documents in a request, and citations and verdicts in its answer.

`documents` is as Cohere and vLLM have it; a citation is OpenAI's `file_citation` with fields of our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import WireModel
from owngpt.service.grounding import GroundedVerdict, GroundingOptions, SentenceSupport
from owngpt.service.inline import InlineDocument
from owngpt.types import Citation, Passage

MAX_DOCUMENTS = 256
MAX_CHARACTERS = 1_000_000  # of all documents of a request
_HINT = 500  # characters of a passage that is shown as a hint


class DocumentObject(WireModel):
    """One text that may be quoted."""

    text: str = Field(min_length=1)
    id: str | None = Field(None, min_length=1, max_length=256)
    title: str | None = Field(None, max_length=1024)


class CitationOptions(WireModel):
    """How the answer is tied to the documents."""

    mode: Literal["quote", "extract", "off"] = "quote"
    abstain: bool = True
    threshold: float | None = Field(None, ge=0, le=1)


def to_documents(objects: Sequence[DocumentObject]) -> list[InlineDocument]:
    """Wire -> documents. Raises `InvalidRequest` for two of one id, and for more text than a request may bring."""
    if (total := sum(len(document.text) for document in objects)) > MAX_CHARACTERS:
        raise InvalidRequest(
            f"'documents' have {total:,} characters; one request takes {MAX_CHARACTERS:,}. Put them into a vector "
            "store, and search it.",
            param="documents",
        )
    names = [document.id or f"document-{number}" for number, document in enumerate(objects)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"two documents have the id {twice!r}", param="documents")
    return [
        InlineDocument(name, document.title or name, document.text)
        for name, document in zip(names, objects, strict=True)
    ]


def to_options(options: CitationOptions | None) -> GroundingOptions:
    """Wire -> options, with what holds where nothing is said."""
    return GroundingOptions() if options is None else GroundingOptions(options.mode, options.abstain, options.threshold)


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

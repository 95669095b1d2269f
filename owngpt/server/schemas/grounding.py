"""Documents in a request: `documents` is as Cohere and vLLM have it. `service/citations.py` says what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import WireModel
from owngpt.service.grounding import GroundingOptions
from owngpt.service.inline import InlineDocument

MAX_DOCUMENTS = 256
MAX_CHARACTERS = 1_000_000  # of all documents of a request


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

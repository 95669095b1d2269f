"""Documents in a request: `documents` is as Cohere and vLLM have it. `service/citations.py` says what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import WireModel
from owngpt.service.grounding import GroundingOptions
from owngpt.service.inline import InlineDocument, check_length

MAX_DOCUMENTS = 256


class DocumentObject(WireModel):
    """What may be quoted: a text, or the text of an uploaded file."""

    text: str | None = Field(None, min_length=1)
    file_id: str | None = Field(None, min_length=1, max_length=256)
    id: str | None = Field(None, min_length=1, max_length=256)
    title: str | None = Field(None, max_length=1024)


class CitationOptions(WireModel):
    """How the answer is tied to the documents."""

    mode: Literal["quote", "extract", "off"] = "quote"
    abstain: bool = True
    threshold: float | None = Field(None, ge=0, le=1)


def to_documents(objects: Sequence[DocumentObject]) -> list[InlineDocument]:
    """Wire -> documents. Raises `InvalidRequest` for what is neither text nor file or both, for two of one id, and for
    more text than a request may bring.
    """
    for number, document in enumerate(objects):
        if (document.text is None) == (document.file_id is None):
            found = "neither" if document.text is None else "both"
            raise InvalidRequest(
                f"a document has either a 'text' or a 'file_id'; documents[{number}] has {found}",
                param=f"documents[{number}].text",
            )
    check_length(sum(len(document.text or "") for document in objects))
    names = [document.id or document.file_id or f"document-{number}" for number, document in enumerate(objects)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"two documents have the id {twice!r}", param="documents")
    return [
        InlineDocument(
            name, document.title or ("" if document.file_id else name), document.text or "", document.file_id
        )
        for name, document in zip(names, objects, strict=True)
    ]


def to_options(options: CitationOptions | None) -> GroundingOptions:
    """Wire -> options, with what holds where nothing is said."""
    return GroundingOptions() if options is None else GroundingOptions(options.mode, options.abstain, options.threshold)

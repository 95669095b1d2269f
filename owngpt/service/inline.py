"""Documents that come with a request -> passages. Nothing of them is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from owngpt.retrieval.chunk import chunk
from owngpt.retrieval.document import Document
from owngpt.service.privacy.guard import Guard
from owngpt.types import Passage

_LENGTH = 1_600  # characters of a passage


class InlineDocument(NamedTuple):
    """A text with the name that its citations carry."""

    id: str
    title: str
    text: str


def passages_of(documents: Sequence[InlineDocument], guard: Guard | None = None) -> list[Passage]:
    """Cut by their structure, without overlap. Offsets count the characters that the client has sent: where a `guard`
    has masked the request, the text is restored here, and what is personal in it is blanked by `ground`.
    """
    return [
        Passage(f"{document.id}#{piece.index}", piece.text, document.id, document.title, piece.start)
        for document in documents
        for piece in chunk(
            Document(guard.unmask(document.text) if guard else document.text), count=len, max_tokens=_LENGTH, overlap=0
        )
    ]

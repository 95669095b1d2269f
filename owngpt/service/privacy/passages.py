"""Stored documents on their way out under a policy: personal data blanked, every character in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from owngpt.service.privacy.guard import Guard
from owngpt.types import Passage


def blanked(passages: Sequence[Passage], guard: Guard) -> list[Passage]:
    """Passages as a model or a caller may see them: so offsets and quotes stay true to each other.

    The names of stored files are blanked as well, for they stand beside the texts; a document of the request has a
    title that was masked with it.
    """
    return [
        replace(
            passage,
            text=guard.blank(passage.text),
            filename=passage.filename if passage.vector_store_id is None else guard.blank(passage.filename),
        )
        for passage in passages
    ]


def blanked_parts(texts: Sequence[str], guard: Guard) -> list[str]:
    """Parts of one document that follow each other, such as pages: looked through together, since a name may stand on
    one and what makes it a name on the next."""
    whole = guard.blank("\n".join(texts))
    starts = [0]
    for text in texts:
        starts.append(starts[-1] + len(text) + 1)
    return [whole[start : start + len(text)] for start, text in zip(starts, texts, strict=False)]

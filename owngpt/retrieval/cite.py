"""From what an answer says to citations: where in its document each quote stands."""

from __future__ import annotations

from owngpt.types import Citation, Passage


def cite(passage: Passage, start: int, end: int, *, index: int, support: float | None = None) -> Citation:
    """`passage.text[start:end]`, as a citation whose offsets count the document's characters."""
    return Citation(
        index=index,
        quote=passage.text[start:end],
        file_id=passage.file_id,
        filename=passage.filename,
        start=passage.start + start,
        end=passage.start + end,
        page=passage.page_at(passage.start + start),
        passage_id=passage.id,
        support=support,
    )

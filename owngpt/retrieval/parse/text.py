"""Plain text and source code: the text as it is, with blocks where blank lines are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from owngpt.retrieval.document import Block, Document, clean

_PARAGRAPH = re.compile(r"[^\n]*\S[^\n]*(?:\n[^\n]*\S[^\n]*)*")
_PART = re.compile(r"\n\s*\n(?=\S)")  # a blank line, and then code that is not indented


def parse_text(text: str) -> Document:
    """Paragraphs are what stands between blank lines."""
    kept = clean(text)
    return Document(kept, blocks=tuple(Block(m.start(), m.end(), "paragraph") for m in _PARAGRAPH.finditer(kept)))


def parse_code(text: str) -> Document:
    """Parts begin, behind a blank line, with a line that is not indented: functions, classes, sections."""
    kept = clean(text)
    return Document(kept, blocks=tuple(_parts(kept)))


def _parts(text: str) -> Iterator[Block]:
    start = 0
    for gap in _PART.finditer(text):
        if text[start : gap.start()].strip():
            yield Block(start, gap.start(), "code")
        start = gap.end()
    if text[start:].strip():
        yield Block(start, len(text.rstrip()), "code")

"""Plain text and source code: the text as it is, with blocks where blank lines are."""

from __future__ import annotations

from collections.abc import Iterator

from owngpt.retrieval.document import Block, Document, clean


def parse_text(text: str) -> Document:
    """Paragraphs are what stands between blank lines."""
    kept = clean(text)
    return Document(kept, blocks=tuple(Block(start, end, "paragraph") for start, end in _parts(kept)))


def parse_code(text: str) -> Document:
    """Parts begin, behind a blank line, with a line that is not indented: functions, classes, sections."""
    kept = clean(text)
    blocks: list[Block] = []
    for start, end in _parts(kept):
        if blocks and kept[start].isspace():
            start = blocks.pop().start
        blocks.append(Block(start, end, "code"))
    return Document(kept, blocks=tuple(blocks))


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of what stands between blank lines."""
    begins = ends = -1
    place = 0
    for line in text.split("\n"):
        if line.strip():
            begins = place if begins < 0 else begins
            ends = place + len(line)
        elif begins >= 0:
            yield begins, ends
            begins = -1
        place += len(line) + 1
    if begins >= 0:
        yield begins, ends

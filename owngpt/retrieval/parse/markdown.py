"""Markdown: the text as it is, marks included, so that positions are those of the file; blocks as in CommonMark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from owngpt.retrieval.document import Block, BlockKind, Document, clean

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+|$)(.*)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_TABLE_RULE = re.compile(r"\|?+[ \t]*+:?+-++:?+[ \t]*+(?:\|[ \t]*+:?+-++:?+[ \t]*+)*+\|?+$")


class Line(NamedTuple):
    """A line and its place in the text."""

    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def parse_markdown(text: str) -> Document:
    """The first heading of level 1 is the title."""
    kept = clean(text)
    blocks = tuple(_blocks(list(_lines(kept))))
    first = next((block for block in blocks if block.kind == "heading" and block.level == 1), None)
    title = None if first is None else kept[first.start : first.end].splitlines()[0].strip("# \t")
    return Document(kept, blocks=blocks, title=title)


def _lines(text: str) -> Iterator[Line]:
    start = 0
    for line in text.split("\n"):
        yield Line(start, line)
        start += len(line) + 1


def _blocks(lines: list[Line]) -> Iterator[Block]:
    i = 0
    while i < len(lines):
        if not lines[i].text.strip():
            i += 1
            continue
        block, i = _block_at(lines, i)
        yield block


def _block_at(lines: list[Line], i: int) -> tuple[Block, int]:
    """The block that begins in line `i`, and the line behind it."""
    line = lines[i]
    if heading := _ATX.match(line.text):
        return Block(line.start, line.end, "heading", len(heading[1])), i + 1
    if fence := _FENCE.match(line.text):
        stop = _fence_end(lines, i + 1, fence[1])
        return _block(lines, i, stop, "code"), stop
    if i == 0 and line.text.strip() == "---" and (stop := _fence_end(lines, 1, "---")) < len(lines):
        return _block(lines, 0, stop, "code"), stop  # front matter
    if (
        "|" in line.text
        and i + 1 < len(lines)
        and "-" in lines[i + 1].text
        and _TABLE_RULE.match(lines[i + 1].text.strip())
    ):
        stop = next((j for j in range(i + 2, len(lines)) if "|" not in lines[j].text), len(lines))
        header = lines[i + 1].end + 1 - line.start if stop > i + 2 else 0
        return Block(line.start, lines[stop - 1].end, "table", header=header), stop
    stop = next((j for j in range(i + 1, len(lines)) if _interrupts(lines[j].text)), len(lines))
    if _ITEM.match(line.text):
        return _block(lines, i, stop, "list"), stop
    underline = next((j for j in range(i + 1, stop) if _UNDERLINE.match(lines[j].text)), None)
    if underline is not None:
        level = 1 if "=" in lines[underline].text else 2
        return Block(line.start, lines[underline].end, "heading", level), underline + 1
    return _block(lines, i, stop, "paragraph"), stop


def _interrupts(text: str) -> bool:
    return not text.strip() or bool(_ATX.match(text) or _FENCE.match(text))


def _fence_end(lines: list[Line], start: int, mark: str) -> int:
    """The line behind the closing mark, or behind the last line."""
    return next((j + 1 for j in range(start, len(lines)) if lines[j].text.strip().startswith(mark)), len(lines))


def _block(lines: list[Line], first: int, stop: int, kind: BlockKind) -> Block:
    return Block(lines[first].start, lines[stop - 1].end, kind)

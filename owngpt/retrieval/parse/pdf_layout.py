"""Lines of a page -> blocks in reading order. Only geometry and text; no PDF library.

Most files draw their text in the order in which it is read, columns included, so that order stands. Where it jumps
about, the page is cut at its white gaps, columns first (recursive X-Y cut: Nagy and Seth, 1984).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from owngpt.retrieval.parse.pdf_lines import Box, Line

_BULLET = re.compile(r"[•●○◦▪■□◆◇▶►‣⁃・※✓✔]|[-–—*]\s|\(?([0-9０-９]{1,2}|[a-z])[.)）．]\s?\S")
_CJK = re.compile("[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")
_COLUMN_GAP = 8.0  # points


class PageBlock(NamedTuple):
    """Lines that belong together. `text[i]` is the page's character number `places[i]`; -1 for a blank put between."""

    text: str
    places: list[int]
    box: Box
    size: float
    is_bold: bool
    num_lines: int
    kind: Literal["paragraph", "list"]


def blocks_of(lines: Sequence[Line]) -> list[PageBlock]:
    """The blocks of a page, in reading order."""
    blocks = [_block(group) for group in _groups(lines, reach=1)]
    if not _jumps(blocks):
        return blocks
    downwards = sorted(lines, key=lambda line: (-line.box.top, line.box.left))
    return list(_by_gaps([_block(group) for group in _groups(downwards, reach=40)]))


def _groups(lines: Sequence[Line], reach: int) -> list[list[Line]]:
    """Each line with those that it continues, which are looked for among the last groups."""
    groups: list[list[Line]] = []
    for line in lines:
        group = next((group for group in reversed(groups[-reach:]) if _continues(group, line)), None)
        if group is None:
            groups.append([line])
        else:
            group.append(line)
    return groups


def _continues(group: list[Line], line: Line) -> bool:
    """Whether a line stands close under the last one of a group (or beside it), in the same type."""
    last = group[-1]
    if abs(last.size - line.size) > 0.15 * max(last.size, line.size):
        return False
    if last.is_vertical or line.is_vertical:
        gap = last.box.left - line.box.right
        return last.is_vertical and -0.5 * line.size < gap < 1.2 * line.size and line.box.top < last.box.top + line.size
    if _is_beside(last.box, line.box):
        return True
    if last.is_bold != line.is_bold and len(group) == 1:
        return False  # a heading of the text's own size
    gap = last.box.bottom - line.box.top
    overlap = min(last.box.right, line.box.right) - max(last.box.left, line.box.left)
    return -0.6 * line.size < gap < max(0.55 * line.size, 1.3 * _gap(group)) and overlap > 0


def _gap(group: list[Line]) -> float:
    """The distance of the group's last two lines; 0 if there is only one."""
    return group[-2].box.bottom - group[-1].box.top if len(group) > 1 else 0.0


def _is_beside(a: Box, b: Box) -> bool:
    shared = min(a.top, b.top) - max(a.bottom, b.bottom)
    return shared > 0.6 * min(a.top - a.bottom, b.top - b.bottom) and -2.0 <= b.left - a.right < 3 * (a.top - a.bottom)


def _block(lines: list[Line]) -> PageBlock:
    box = lines[0].box
    for line in lines[1:]:
        box = box.around(line.box)
    text, places = lines[0].text, list(lines[0].places)
    for before, after in pairwise(lines):
        joint = _joint(before, after, box)
        text += joint + after.text
        places += [*[-1] * len(joint), *after.places]
    num_bullets = sum(bool(_BULLET.match(line.text)) for line in lines)
    kind: Literal["paragraph", "list"] = "list" if num_bullets > 1 and _BULLET.match(lines[0].text) else "paragraph"
    is_bold = all(line.is_bold for line in lines)
    return PageBlock(text, places, box, lines[0].size, is_bold, len(lines), kind)


def _joint(before: Line, after: Line, block: Box) -> str:
    """What stands between two lines of a block: nothing, a hyphen, a blank, or a line end that is meant."""
    if before.is_hyphenated:
        return "" if after.text[0].islower() else "-"
    if before.text[-1] == "-" and after.text[0].isalnum():
        return ""
    if _is_beside(before.box, after.box):
        return " "
    if _BULLET.match(after.text) or _is_short(before, block):
        return "\n"
    return "" if _CJK.match(before.text[-1]) and _CJK.match(after.text[0]) else " "


def _is_short(line: Line, block: Box) -> bool:
    """Whether a line ends well before its block does."""
    if line.is_vertical:
        return line.box.bottom - block.bottom > max(2 * line.size, 0.2 * (block.top - block.bottom))
    return block.right - line.box.right > max(2 * line.size, 0.2 * (block.right - block.left))


def _jumps(blocks: Sequence[PageBlock]) -> bool:
    """Whether the file draws its blocks in an order that nobody would read: often upwards, or to the left."""
    backwards = sum(_is_backwards(before.box, after.box) for before, after in pairwise(blocks))
    return backwards > 1 and backwards > 0.2 * len(blocks)


def _is_backwards(before: Box, after: Box) -> bool:
    """Upwards is not, where it is to a new column on the right."""
    if after.bottom >= before.top:
        return after.left < before.right
    return after.top > before.bottom and after.right <= before.left


def _by_gaps(blocks: Sequence[PageBlock]) -> Iterator[PageBlock]:
    """Cut at white gaps until nothing can be cut: columns first where each holds several blocks, then rows."""
    columns = _split(blocks, lambda box: (box.left, box.right), _COLUMN_GAP)
    rows = _split(blocks, lambda box: (-box.top, -box.bottom), 0.0)
    if len(columns) > 1 and min(sum(block.num_lines for block in column) for column in columns) > 2:
        parts = columns
    elif len(rows) > 1:
        parts = rows
    elif len(columns) > 1:
        parts = columns
    else:
        yield from sorted(blocks, key=lambda block: (-block.box.top, block.box.left))
        return
    for part in parts:
        yield from _by_gaps(part)


def _split(
    blocks: Sequence[PageBlock], span: Callable[[Box], tuple[float, float]], gap: float
) -> list[list[PageBlock]]:
    """Groups between which there is a gap, in order."""
    groups: list[list[PageBlock]] = []
    reach = float("-inf")
    for block in sorted(blocks, key=lambda block: span(block.box)[0]):
        start, end = span(block.box)
        if not groups or start >= reach + gap:
            groups.append([])
        groups[-1].append(block)
        reach = max(reach, end)
    return groups

"""Document -> chunks: pieces of up to so many tokens, cut where the document itself has a joint.

The joints, strongest first: before a heading, between blocks, between sentences (rows, items, lines), inside one. A
table that fits into a chunk is not cut; the column names of one that does not stand among the headings of its later
pieces. Each chunk's text is exactly `document.text[start:end]`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from owngpt.retrieval.document import Block, Document
from owngpt.text.sentences import sentences
from owngpt.types import Chunk

Count = Callable[[str], int]  # text -> tokens

MAX_TOKENS = 800
OVERLAP = 400
_LONGEST_TOKEN = 32  # characters; what is longer per token is cut without counting it first
INSIDE, SENTENCE, BLOCK, HEADING = range(4)  # joints: what a cut would divide


class Unit(NamedTuple):
    """What is not cut unless it is too long alone: a sentence, a row, an item, a whole small table."""

    start: int
    end: int
    num_tokens: int
    joint: int  # in front of it
    headings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large chunks are, in tokens."""

    max_tokens: int = MAX_TOKENS
    overlap: int = OVERLAP


def chunk(
    document: Document, *, count: Count, max_tokens: int = MAX_TOKENS, overlap: int = OVERLAP, owner: str = ""
) -> list[Chunk]:
    """All chunks, in order; together they hold every character that is not blank. Ids are `owner#index`.

    None has more than `max_tokens` by `count`, but for one single character that does. Up to `overlap` tokens of a
    chunk are repeated in the next one, whole sentences only and never those of an earlier section.
    """
    assert 0 <= overlap <= max_tokens // 2, "an overlap of more than half would repeat everything twice"
    units = list(_units(document, Sizes(max_tokens, overlap), count))
    spans = _pack(document.text, units, Sizes(max_tokens, overlap), count)
    return [
        Chunk(
            id=f"{owner}#{index}",
            index=index,
            text=document.text[units[first].start : units[last - 1].end],
            start=units[first].start,
            pages=_pages(document, units[first].start, units[last - 1].end),
            headings=units[first].headings,
        )
        for index, (first, last) in enumerate(spans)
    ]


def _pack(text: str, units: list[Unit], sizes: Sizes, count: Count) -> Iterator[tuple[int, int]]:
    """(first, last) of each chunk's units; `last` is not part of it."""
    sums = [0, *accumulate(unit.num_tokens for unit in units)]
    first = last = 0
    while last < len(units):
        done, last = last, _last_that_fits(sums, first, sizes.max_tokens)
        first, last = _within(text, units, first, last, done, sizes, count)
        last = _best_cut(units, sums, first, last, done)
        yield first, last
        if last < len(units):
            first = _next_start(units, sums, first, last, sizes)


def _last_that_fits(sums: list[int], first: int, max_tokens: int) -> int:
    last = first + 1
    while last < len(sums) - 1 and sums[last + 1] - sums[first] <= max_tokens:
        last += 1
    return last


def _within(
    text: str, units: list[Unit], first: int, last: int, done: int, sizes: Sizes, count: Count
) -> tuple[int, int]:
    """Fewer units, where what stands between them makes the whole too long; at least one that is not done."""

    def fits(first: int, last: int) -> bool:
        return last - first <= 1 or count(text[units[first].start : units[last - 1].end]) <= sizes.max_tokens

    if fits(first, last):
        return first, last
    last = bisect(range(done + 1, last), 0, key=lambda end: 0 if fits(first, end) else 1) + done
    return (first, last) if last > done else (max(first, done), done + 1)


def _best_cut(units: list[Unit], sums: list[int], first: int, last: int, done: int) -> int:
    """The strongest joint of the second half, and the last of these; behind what earlier chunks hold, if possible."""
    if last == len(units):
        return last
    half = (sums[last] - sums[first]) / 2
    candidates = [cut for cut in range(max(first, done) + 1, last + 1) if sums[cut] - sums[first] >= half]
    return max(candidates, key=lambda cut: (units[cut].joint, cut), default=last)


def _next_start(units: list[Unit], sums: list[int], first: int, last: int, sizes: Sizes) -> int:
    """Where the next chunk begins: at `last`, or before it by what is repeated."""
    start = last
    while start - 1 > first and units[start].joint < HEADING and sums[last] - sums[start - 1] <= sizes.overlap:
        start -= 1
    while start < last and (units[start].joint == INSIDE or sums[last + 1] - sums[start] > sizes.max_tokens):
        start += 1
    return start


def _units(document: Document, sizes: Sizes, count: Count) -> Iterator[Unit]:
    path: list[tuple[int, str]] = []
    title = (document.title,) if document.title else ()
    is_after_heading = False
    for block in _all_blocks(document):
        if block.kind == "heading":
            path = [entry for entry in path if entry[0] < block.level]
        headings = (*title, *(name for _, name in path if name not in title))
        joint = HEADING if block.kind == "heading" else BLOCK
        yield from _block_units(document.text, block, INSIDE if is_after_heading else joint, headings, sizes, count)
        if is_after_heading := block.kind == "heading":
            path.append((block.level, _name(document.text[block.start : block.end])))


def _name(heading: str) -> str:
    """On one line, without Markdown's marks."""
    return re.sub(r"^#{1,6} |\s(=+|-{2,})$", "", " ".join(heading.split())).strip()


def _all_blocks(document: Document) -> Iterator[Block]:
    """The blocks, and as paragraphs what stands between them."""
    end = 0
    for block in document.blocks:
        yield from _paragraphs(document.text, end, block.start)
        yield block
        end = block.end
    yield from _paragraphs(document.text, end, len(document.text))


def _paragraphs(text: str, start: int, end: int) -> Iterator[Block]:
    while start < end:
        cut = text.find("\n\n", start, end)
        stop = end if cut < 0 else cut
        if text[start:stop].strip():
            yield Block(start, stop, "paragraph")
        start = stop + 2


def _block_units(
    text: str, block: Block, joint: int, headings: tuple[str, ...], sizes: Sizes, count: Count
) -> Iterator[Unit]:
    is_whole = block.kind == "heading" or (block.kind == "table" and _fits(text, block.start, block.end, sizes, count))
    parts = [(block.start, block.end)] if is_whole else _parts(text, block)
    for start, end in parts:
        is_row = block.header and start >= block.start + block.header
        above = (*headings, text[block.start : block.start + block.header].rstrip("\n")) if is_row else headings
        for piece in _pieces(text, start, end, sizes, count):
            yield Unit(*piece, joint, above)
            joint = INSIDE
        joint = SENTENCE


def _parts(text: str, block: Block) -> Iterator[tuple[int, int]]:
    """Sentences of a paragraph, lines of anything else."""
    if block.kind == "paragraph":
        yield from sentences(text, block.start, block.end)
        return
    start = block.start
    while start < block.end:
        cut = text.find("\n", start, block.end)
        end = block.end if cut < 0 else cut
        if text[start:end].strip():
            yield start, end
        start = end + 1


def _pieces(text: str, start: int, end: int, sizes: Sizes, count: Count) -> Iterator[tuple[int, int, int]]:
    """(start, end, tokens) of the span, or, where it is too long, of pieces of it; without blanks at their ends."""
    waiting = [(start, end)]
    while waiting:
        start, end = waiting.pop()
        end = start + len(text[start:end].rstrip())
        tokens = None if end - start > sizes.max_tokens * _LONGEST_TOKEN else count(text[start:end])
        if tokens is not None and (tokens <= sizes.max_tokens or end - start == 1):
            if start < end:
                yield start, end, max(1, tokens)
        else:
            cut = _middle(text, start, end)
            waiting += [(cut, end), (start, cut)]


def _fits(text: str, start: int, end: int, sizes: Sizes, count: Count) -> bool:
    return end - start <= sizes.max_tokens * _LONGEST_TOKEN and count(text[start:end]) <= sizes.max_tokens


def _middle(text: str, start: int, end: int) -> int:
    """A place to cut: behind a blank or a comma of the middle half if there is one, never before a combining mark."""
    middle, reach = (start + end) // 2, max(1, min((end - start) // 4, 1_000))
    near = sorted(range(max(start + 1, middle - reach), min(end, middle + reach)), key=lambda i: abs(i - middle))
    for test in (_is_gap, _is_whole):
        if found := next((place for place in near if test(text, place)), None):
            return found
    return middle


def _is_gap(text: str, place: int) -> bool:
    return (text[place - 1].isspace() or text[place - 1] in "、，,;；:：・") and not text[place].isspace()


def _is_whole(text: str, place: int) -> bool:
    return not unicodedata.combining(text[place]) and text[place] not in "\u200d\ufe0e\ufe0f"


def _pages(document: Document, start: int, end: int) -> tuple[tuple[int, int], ...]:
    """Those that the span touches; the first begins at its start."""
    first = document.page_at(start)
    after, behind = (bisect(document.pages, place, key=lambda entry: entry[0]) for place in (start, end - 1))
    later = document.pages[after:behind]
    return later if first is None else ((start, first), *later)

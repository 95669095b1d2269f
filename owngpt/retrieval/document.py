"""Document: the text of a file with the positions that a citation needs. Only nouns; parsers make them.

`text[start:end]` is what a citation quotes. Every position is a number of characters (Unicode code points) of `text`.
"""

from __future__ import annotations

import json
import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal

from owngpt.errors import InvalidRequest

BlockKind = Literal["heading", "paragraph", "table", "list", "code"]

MAX_CHARACTERS = 32_000_000  # of one document: some ten thousand pages
_MAX_BYTES = 1024**3  # of one document that is unpacked


class DocumentError(InvalidRequest):
    """A file that cannot be turned into text. The code is one of a vector store file's: what is to be done about it.

    `unsupported_file` is a kind of file that is not read here, `invalid_file` is one that is broken, locked or empty.
    """

    default_code = "invalid_file"


class UnsupportedFile(DocumentError):
    """A kind of file that is not read here."""

    default_code = "unsupported_file"


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the text with a shape of its own. Blocks are in order and do not overlap."""

    start: int
    end: int
    kind: BlockKind
    level: int = 0  # of a heading: 1 is the outermost
    header: int = 0  # of a table: this many characters from `start` name its columns


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says."""

    text: str
    pages: tuple[tuple[int, int], ...] = ()  # (offset, page from 1) where each begins; empty if there are no pages
    blocks: tuple[Block, ...] = ()
    title: str | None = None
    notes: tuple[str, ...] = ()  # what a reader has to know: "pages 3-5 have no text layer"

    def page_at(self, offset: int) -> int | None:
        """The page of a character."""
        number = bisect_right(self.pages, offset, key=lambda entry: entry[0])
        return self.pages[number - 1][1] if number else None

    def to_bytes(self) -> bytes:
        """Compressed, for a database or another process."""
        return zlib.compress(json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode(), 6)

    @classmethod
    def from_bytes(cls, data: bytes) -> Document:
        """What `to_bytes` made. Raises `ValueError` for anything else."""
        inflated = zlib.decompressobj()
        values = json.loads(inflated.decompress(data, _MAX_BYTES))
        if not isinstance(values, dict) or inflated.unconsumed_tail:
            raise ValueError("these bytes hold no document")
        return cls(
            text=values["text"],
            pages=tuple((offset, page) for offset, page in values["pages"]),
            blocks=tuple(Block(**block) for block in values["blocks"]),
            title=values["title"],
            notes=tuple(values["notes"]),
        )

    def page_spans(self) -> Iterator[tuple[int, int, int]]:
        """(page, start, end) of each page's text; the blanks at its end are not part of it."""
        ends = (*(offset for offset, _ in self.pages[1:]), len(self.text))
        for (start, page), end in zip(self.pages, ends, strict=False):  # no pages have no end
            yield page, start, start + len(self.text[start:end].rstrip())

    def page_span(self, page: int) -> tuple[int, int] | None:
        """(start, end) of one page's text; None if there is no such page."""
        return next(((start, end) for number, start, end in self.page_spans() if number == page), None)


_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ud800-\udfff]")


def clean(text: str) -> str:
    """Without what no database or screen takes (control characters, lone surrogates), with `\\n` for every line end."""
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0b", "\n").replace("\x0c", "\n"))


@dataclass(slots=True)
class DocumentBuilder:
    """Collects blocks in order; an empty line stands between two. Raises `DocumentError` if the text grows too long."""

    title: str | None = None
    notes: list[str] = field(default_factory=list)
    length: int = 0
    _parts: list[str] = field(default_factory=list)
    _blocks: list[Block] = field(default_factory=list)
    _pages: list[tuple[int, int]] = field(default_factory=list)

    def page(self, number: int) -> None:
        """What is added from now on stands on this page."""
        self._pages.append((self.length + (2 if self._parts else 0), number))

    def add(self, text: str, kind: BlockKind = "paragraph", level: int = 0, header: int = 0) -> None:
        """One block; blank text is none. `header` counts characters of `text`, which is then taken as it is."""
        kept = clean(text) if header else "\n".join(map(str.rstrip, clean(text).split("\n"))).strip("\n")
        if not kept.strip():
            return
        start = self.length + (2 if self._parts else 0)
        self._parts.append(kept)
        self.length = start + len(kept)
        self._blocks.append(Block(start, self.length, kind, level, header))
        if self.length > MAX_CHARACTERS:
            raise DocumentError(f"the text has more than {MAX_CHARACTERS:,} characters; split the file")

    def heading(self, text: str, level: int) -> None:
        """A title, on one line."""
        self.add(" ".join(text.split()), "heading", max(1, level))

    def items(self, lines: list[str]) -> None:
        """A list, one item a line."""
        self.add("\n".join(lines), "list")

    def table(self, rows: list[list[str]], num_header_rows: int = 1) -> None:
        """Rows of cells, a line each, with ` | ` between two cells."""
        lines = [line for row in rows if (line := table_row(row))]
        header = sum(len(line) + 1 for line in lines[:num_header_rows]) if len(lines) > num_header_rows else 0
        self.add("\n".join(lines), "table", header=header)

    def extend(self, document: Document, heading: str | None = None) -> None:
        """All blocks of another document, under a heading; its pages are dropped."""
        if heading:
            self.heading(heading, 1)
        for block in document.blocks:
            level = block.level + 1 if heading and block.kind == "heading" else block.level
            self.add(document.text[block.start : block.end], block.kind, level, block.header)
        self.notes += document.notes

    def build(self) -> Document:
        """The document; raises `DocumentError` if there is no text at all."""
        if not self._parts:
            reason = "; ".join(self.notes)
            raise DocumentError(f"the file has no text{f' ({reason})' if reason else ''}")
        pages = tuple((min(offset, self.length), page) for offset, page in self._pages)
        return Document("\n\n".join(self._parts), pages, tuple(self._blocks), self.title, tuple(self.notes))


def table_row(cells: list[str]) -> str:
    """One line; nothing for a row of blank cells."""
    texts = [" ".join(clean(cell).split()) for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    return " | ".join(texts)

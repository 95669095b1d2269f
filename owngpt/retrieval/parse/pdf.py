"""PDF: the text layer of each page. Line ends inside a paragraph, and hyphens at them, are undone.

What one page says depends on that page alone; what is a heading, and what is printed on every page (and left out),
depends on all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from owngpt.retrieval.document import Document, DocumentBuilder, DocumentError, clean
from owngpt.retrieval.parse.archive import readable
from owngpt.retrieval.parse.pdf_layout import PageBlock, blocks_of
from owngpt.retrieval.parse.pdf_lines import lines_of

MAX_PAGES = 20_000
_MANY = 4  # pages; of fewer nothing is said to stand on every one
_NUMBERS = re.compile(r"[0-9０-９ivxlc]+")


def parse_pdf(data: bytes, progress: Callable[[int, int], None]) -> Document:
    """Raises `DocumentError` for a file that is locked or broken, or where no page has text."""
    with opened(data) as pdf:
        if len(pdf) > MAX_PAGES:
            raise DocumentError(f"the file has {len(pdf):,} pages; {MAX_PAGES:,} are read: split it")
        pages, scanned, unmapped = [], [], []
        for number in range(1, len(pdf) + 1):
            blocks, has_picture, is_unmapped = _read(pdf, number)
            pages.append(blocks)
            scanned += [number] if has_picture and not blocks else []
            unmapped += [number] if is_unmapped else []
            progress(number, len(pdf))
        builder = DocumentBuilder(_title(pdf.get_metadata_value("Title")))
    if scanned:
        builder.notes.append(f"{said(scanned)} no text layer (scanned?): run text recognition (OCR) over the file")
    if unmapped:
        builder.notes.append(f"{said(unmapped)} letters that the file does not map to characters; text is missing")
    _build(builder, pages)
    return builder.build()


@contextmanager
def opened(data: bytes) -> Iterator[pdfium.PdfDocument]:
    """The file; raises `DocumentError` if it is locked or broken."""
    try:
        pdf = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if pdfium_c.FPDF_GetLastError() == pdfium_c.FPDF_ERR_PASSWORD or "password" in str(error).lower():
            raise DocumentError("the file is encrypted; remove the password and send it again") from error
        raise DocumentError(f"it is broken and cannot be read as PDF ({error}); save it anew") from error
    try:
        yield pdf
    finally:
        pdf.close()


def _read(pdf: pdfium.PdfDocument, number: int) -> tuple[list[PageBlock], bool, bool]:
    """Blocks of a page, whether anything is drawn on it, and whether much of its text cannot be read."""
    with readable(f"PDF (page {number})"):
        page = pdf[number - 1]
        try:
            lines, num_unmapped = lines_of(page)
            blocks = blocks_of(lines)
            is_unmapped = num_unmapped > 0.5 * sum(len(block.text) for block in blocks)
            return blocks, pdfium_c.FPDFPage_CountObjects(page) > 0, is_unmapped
        finally:
            page.close()


def _title(text: str) -> str | None:
    """What people called the file, if they did."""
    title = " ".join(clean(text).split()).removeprefix("Microsoft Word - ").removeprefix("Microsoft PowerPoint - ")
    return title if title and title.lower() not in ("untitled", "無題", "(anonymous)") else None


def _build(builder: DocumentBuilder, pages: Sequence[list[PageBlock]]) -> None:
    furniture, level_of = _furniture(pages), _levels(pages)
    for number, blocks in enumerate(pages, start=1):
        builder.page(number)
        for block in blocks:
            if _shape(block) not in furniture:
                level = level_of(block)
                builder.add(block.text, "heading" if level else block.kind, level)


def _furniture(pages: Sequence[list[PageBlock]]) -> set[tuple[str, int]]:
    """What stands at the same height of most pages, numbers apart: running titles and page numbers."""
    if len(pages) < _MANY:
        return set()
    edges = Counter(shape for blocks in pages for shape in {_shape(block) for block in blocks if block.num_lines <= 2})
    return {shape for shape, number in edges.items() if number >= max(_MANY, len(pages) * 0.4)}


def _shape(block: PageBlock) -> tuple[str, int]:
    return _NUMBERS.sub("#", block.text.lower())[:200], round(block.box.bottom / 6)


def _levels(pages: Sequence[list[PageBlock]]) -> Callable[[PageBlock], int]:
    """The level of a block that is a heading by its type: larger than the text, or bold; 0 for any other."""
    sizes = Counter[float]()
    for blocks in pages:
        for block in blocks:
            sizes[block.size] += len(block.text)
    body = sizes.most_common(1)[0][0] if sizes else 0.0
    is_body_bold = sum(len(b.text) for p in pages for b in p if b.is_bold) > 0.4 * sizes.total()

    def is_heading(block: PageBlock) -> bool:
        is_marked = block.size > body * 1.12 or (block.is_bold and not is_body_bold and block.size >= body * 0.95)
        is_short = len(block.text) <= 160 and block.num_lines <= 3 and block.kind == "paragraph"
        return is_marked and is_short and bool(re.search(r"\w{2}", block.text)) and block.text[-1] not in ".。,、;:"

    found = {block.size for blocks in pages for block in blocks if is_heading(block)}
    ranks = {size: min(rank, 6) for rank, size in enumerate(sorted(found, reverse=True), start=1)}
    return lambda block: ranks[block.size] if is_heading(block) else 0


def said(numbers: Sequence[int]) -> str:
    """`[3, 4, 5, 9]` -> "pages 3-5, 9 have"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    shown = [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
    places = ", ".join(shown[:20]) + more
    return f"pages {places} have" if len(numbers) > 1 else f"page {places} has"

"""A page of a PDF as a picture, with a quote marked in it."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray

from owngpt.errors import NotFound
from owngpt.retrieval.parse.archive import readable
from owngpt.retrieval.parse.pdf import opened
from owngpt.retrieval.parse.pdf_layout import blocks_of
from owngpt.retrieval.parse.pdf_lines import Box, box_of, lines_of

SCALE = 2.0  # pixels per point: 144 dpi
MAX_PIXELS = 6_000_000
_MARKER = np.array((255, 226, 64), dtype=np.uint16)  # of the picture it keeps what is darker


class Highlight(NamedTuple):
    """What to mark: characters `start` to `end` of the page's text, as the document has it."""

    page_text: str
    start: int
    end: int


def page_image(data: bytes, page: int, highlight: Highlight | None = None, scale: float = SCALE) -> bytes:
    """PNG of a page, counted from 1. Raises `NotFound` if there is no such page, `DocumentError` if it is broken."""
    with opened(data) as pdf:
        if not 1 <= page <= len(pdf):
            raise NotFound(f"page {page} does not exist; the document has {len(pdf)}", param="page")
        with readable(f"PDF (page {page})"):
            shown = pdf[page - 1]
            width, height = shown.get_size()
            scale = min(scale, math.sqrt(MAX_PIXELS / max(1.0, width * height)))
            bitmap = shown.render(scale=scale, rev_byteorder=True)
            pixels = bitmap.to_numpy()[:, :, :3].copy()
            if highlight is not None:
                place = bitmap.get_posconv(shown)
                for box in highlighted(shown, highlight):
                    _mark(pixels, place.to_bitmap(box.left, box.top), place.to_bitmap(box.right, box.bottom))
            return png(pixels)


def highlighted(page: pdfium.PdfPage, highlight: Highlight) -> list[Box]:
    """Rectangles over the quote, one for each line of it, in points."""
    places = [place for place in _places(page, highlight) if place >= 0]
    textpage = page.get_textpage()
    try:
        return list(_joined(box_of(textpage, place) for place in places))
    finally:
        textpage.close()


def _places(page: pdfium.PdfPage, highlight: Highlight) -> Iterable[int]:
    """The numbers of the characters. The page's text is made of its blocks, of which some may have been left out."""
    offset, text = 0, highlight.page_text
    for block in blocks_of(lines_of(page)[0]):
        if text.startswith(block.text, offset):
            first, last = max(0, highlight.start - offset), min(len(block.text), highlight.end - offset)
            yield from block.places[first:last] if first < last else ()
            offset += len(block.text) + 2


def _joined(boxes: Iterable[Box]) -> Iterable[Box]:
    """Boxes of neighbours in one."""
    joined: Box | None = None
    for box in boxes:
        height = box.top - box.bottom
        same_row = joined is not None and abs(joined.bottom - box.bottom) < height / 2
        if joined is not None and same_row and -height < box.left - joined.right < 2 * height:
            joined = joined.around(box)
        else:
            if joined is not None:
                yield joined
            joined = box
    if joined is not None:
        yield joined


def _mark(pixels: NDArray[np.uint8], corner: tuple[int, int], other: tuple[int, int]) -> None:
    """Multiply with the marker's colour, so that what is printed stays."""
    (left, right), (top, bottom) = (sorted((max(0, corner[i]), max(0, other[i]))) for i in (0, 1))
    area = pixels[top : bottom + 1, left : right + 1]
    area[:] = (area.astype(np.uint16) * _MARKER // 255).astype(np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """[height, width, 3] as a file (Portable Network Graphics, second edition, W3C 2003)."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, width * 3)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b"")
    chunks = (struct.pack(">I", len(data)) + kind + data + _crc(kind + data) for kind, data in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _crc(data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data))

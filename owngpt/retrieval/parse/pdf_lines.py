"""The lines of a PDF page, as PDFium finds them: characters with their numbers, so that each can be found again."""

from __future__ import annotations

import ctypes
import statistics
import unicodedata
from typing import NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from owngpt.retrieval.document import clean

_HYPHENS = frozenset("\u00ad\x02\ufffe")
_NONE = frozenset((0, 0xFFFE, 0xFFFF))


class Box(NamedTuple):
    """In points; y grows upwards."""

    left: float
    bottom: float
    right: float
    top: float

    def around(self, other: Box) -> Box:
        """The smallest that holds both."""
        return Box(
            min(self.left, other.left),
            min(self.bottom, other.bottom),
            max(self.right, other.right),
            max(self.top, other.top),
        )


class Line(NamedTuple):
    """One line. `text[i]` is the page's character number `places[i]`."""

    text: str
    places: list[int]
    box: Box
    size: float  # of most of its type, in points, to a half
    is_bold: bool
    is_hyphenated: bool  # a hyphen at its end, which is not part of the text, divides a word

    @property
    def is_vertical(self) -> bool:
        """Japanese written from top to bottom."""
        return len(self.text) > 2 and self.box.top - self.box.bottom > 2 * (self.box.right - self.box.left)


def lines_of(page: pdfium.PdfPage) -> tuple[list[Line], int]:
    """The lines in the order in which the file draws them, and how many characters have no known meaning."""
    textpage = page.get_textpage()
    try:
        return _lines(textpage)
    finally:
        textpage.close()


def _lines(textpage: pdfium.PdfTextPage) -> tuple[list[Line], int]:
    lines, num_unmapped = [], 0
    characters: list[str] = []
    places: list[int] = []
    for place in range(textpage.count_chars()):
        code = pdfium_c.FPDFText_GetUnicode(textpage, place)
        character = "" if code in _NONE else chr(code)
        if character in ("\r", "\n") or (character in _HYPHENS) or code == 0xFFFE:
            lines.append(_line(textpage, characters, places, character not in ("\r", "\n")))
            characters, places = [], []
        elif not character or 0xE000 <= code <= 0xF8FF:
            num_unmapped += 1
        else:
            for letter in _plain(character):
                characters.append(letter)
                places.append(place)
    lines.append(_line(textpage, characters, places, False))
    return [line for line in lines if line is not None], num_unmapped


def _plain(character: str) -> str:
    """Ligatures as letters and radicals as the characters that they stand for, which is what people look for."""
    if "\u2e80" <= character <= "\u2fdf" or "\ufb00" <= character <= "\ufb06":
        return unicodedata.normalize("NFKC", character)
    return clean(character)


def _line(textpage: pdfium.PdfTextPage, characters: list[str], places: list[int], is_hyphenated: bool) -> Line | None:
    inked = [i for i, letter in enumerate(characters) if not letter.isspace()]
    if not inked:
        return None
    first, last = inked[0], inked[-1]
    text, kept = "".join(characters[first : last + 1]), places[first : last + 1]
    box = box_of(textpage, kept[0]).around(box_of(textpage, kept[-1]))
    samples = [kept[i * (len(kept) - 1) // 4] for i in range(5)]
    size = statistics.median(pdfium_c.FPDFText_GetFontSize(textpage, place) for place in samples)
    size = size if 1.5 < size < 200 else box.top - box.bottom  # a scale may be set elsewhere
    is_bold = all(_is_bold(textpage, place) for place in samples)
    return Line(text, kept, box, round(size * 2) / 2, is_bold, is_hyphenated)


def box_of(textpage: pdfium.PdfTextPage, place: int) -> Box:
    """Of one character, with its line's height."""
    rect = pdfium_c.FS_RECTF()
    pdfium_c.FPDFText_GetLooseCharBox(textpage, place, rect)
    return Box(
        min(rect.left, rect.right),
        min(rect.bottom, rect.top),
        max(rect.left, rect.right),
        max(rect.bottom, rect.top),
    )


def _is_bold(textpage: pdfium.PdfTextPage, place: int) -> bool:
    name = ctypes.create_string_buffer(128)
    pdfium_c.FPDFText_GetFontInfo(textpage, place, name, len(name), None)
    weight = pdfium_c.FPDFText_GetFontWeight(textpage, place)
    return weight >= 600 or any(mark in name.value.lower() for mark in (b"bold", b"black", b"heavy", b"-w6", b"-w7"))

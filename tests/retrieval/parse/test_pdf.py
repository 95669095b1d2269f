"""PDF: paragraphs, headings, pages, what is scanned, and where a quote stands on its page."""

from __future__ import annotations

import re
import zlib

import numpy as np
import pypdfium2 as pdfium
import pytest

from owngpt.errors import NotFound
from owngpt.retrieval.document import DocumentError
from owngpt.retrieval.parse import parse
from owngpt.retrieval.parse.pdf import opened
from owngpt.retrieval.parse.pdf_image import Highlight, highlighted, page_image
from owngpt.retrieval.parse.pdf_layout import blocks_of
from owngpt.retrieval.parse.pdf_lines import Box, Line
from tests.retrieval.parse.pdfs import JAPANESE, pdf

PARAGRAPH = [
    "This paragraph was set in a narrow column with hyphen-",
    "ation at the ends of its lines, and it goes on for GPT-",
    "5 until it ends here.",
]
FLOWING = (
    "This paragraph was set in a narrow column with hyphenation at the ends of its lines, and it goes on for GPT-5 "
    "until it ends here."
)


def test_lines_of_a_paragraph_flow_together_and_headings_are_known_by_their_size() -> None:
    document = parse("a.pdf", pdf(["# A heading", *PARAGRAPH, "", "", "Another one."]))
    assert document.text == f"A heading\n\n{FLOWING}\n\nAnother one."
    assert [(block.kind, block.level) for block in document.blocks] == [
        ("heading", 1),
        ("paragraph", 0),
        ("paragraph", 0),
    ]


def test_japanese_lines_are_joined_without_a_blank() -> None:
    lines = [
        "吾輩は猫である。名前はまだ無い。どこで生れたかとんと",
        "見当がつかぬ。何でも薄暗いじめじめした所で泣いた。",
    ]
    assert parse("a.pdf", pdf(lines, font=JAPANESE)).text == "".join(lines)


def test_pages_and_those_without_text() -> None:
    document = parse("a.pdf", pdf(["First."], [], [], ["Fourth."], []))
    assert [document.page_at(document.text.index(word)) for word in ("First", "Fourth")] == [1, 4]
    assert document.page_span(2) == (8, 8)
    assert document.notes == ("pages 2-3, 5 have no text layer (scanned?): run text recognition (OCR) over the file",)


def test_a_scan_is_an_error_that_says_so() -> None:
    with pytest.raises(DocumentError, match=r"scan\.pdf: the file has no text \(pages 1-2 have no text layer"):
        parse("scan.pdf", pdf([], []))


def test_a_locked_file_says_so() -> None:
    with pytest.raises(DocumentError, match=r"a\.pdf: the file is encrypted; remove the password"):
        parse("a.pdf", pdf(["secret"], password="x"))


def test_a_broken_file_says_so() -> None:
    with pytest.raises(DocumentError, match="broken and cannot be read as PDF"):
        parse("a.pdf", b"%PDF-1.7 nothing else")


def test_what_stands_on_every_page_is_left_out() -> None:
    pages = [["ACME annual report", "", f"What page {n} says: {word}.", f"{n}"] for n, word in enumerate("abcdef", 1)]
    assert "ACME" not in parse("a.pdf", pdf(*pages)).text
    assert parse("a.pdf", pdf(*pages)).text.count("What page") == 6


@pytest.mark.parametrize("quote", ["hyphenation at the ends", "GPT-5 until it ends here.", "A heading", "Another"])
def test_a_quote_is_found_on_its_page(quote: str) -> None:
    data = pdf(["# A heading", *PARAGRAPH, "", "", "Another one."])
    document = parse("a.pdf", data)
    start = document.text.index(quote)
    with opened(data) as file:
        boxes = highlighted(file[0], Highlight(document.text, start, start + len(quote)))
        inside = "".join(file[0].get_textpage().get_text_bounded(*box) for box in boxes)
    assert re.sub(r"\W", "", inside) == re.sub(r"\W", "", quote)


def test_a_page_is_drawn_with_its_quote_marked() -> None:
    data = pdf(["Nothing.", "", "The quote is here."])
    document = parse("a.pdf", data)
    start = document.text.index("quote")
    plain, marked = (unpacked(page_image(data, 1, mark)) for mark in (None, Highlight(document.text, start, start + 5)))
    changed = np.argwhere((plain != marked).any(axis=2))
    assert plain.shape == (1684, 1191, 3)
    assert 20 < np.ptp(changed[:, 0]) < 40
    assert 40 < np.ptp(changed[:, 1]) < 80


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [None, (50, 50, 500, 800)])
def test_a_quote_is_marked_where_it_is_shown(rotation: int, crop: tuple[int, ...] | None) -> None:
    """Also on a page that is turned, or of which only a part is shown."""
    data = pdf(*[["# A quote stands here"]], rotation=rotation, crop=crop, top=400)
    text = parse("a.pdf", data).text
    plain = unpacked(page_image(data, 1))
    marked = unpacked(page_image(data, 1, Highlight(text, 0, len(text))))
    changed, ink = (plain != marked).any(axis=2), plain.sum(axis=2) < 300
    rows, columns = np.where(changed)
    around = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    assert 0.95 < ink[around].sum() / ink.sum() <= 1


def test_there_is_no_page_zero_and_none_behind_the_last() -> None:
    for page in (0, 2):
        with pytest.raises(NotFound, match=f"page {page} does not exist; the document has 1"):
            page_image(pdf(["Text."]), page)


def unpacked(png: bytes) -> np.ndarray:
    """Of our own files: one IDAT, no filters."""
    width, height = (int.from_bytes(png[i : i + 4], "big") for i in (16, 20))
    size = int.from_bytes(png[33:37], "big")
    rows = np.frombuffer(zlib.decompress(png[41 : 41 + size]), np.uint8).reshape(height, 1 + 3 * width)
    return rows[:, 1:].reshape(height, width, 3)


def line(text: str, left: float, top: float, size: float = 10) -> Line:
    width = len(text) * size / 2
    return Line(text, list(range(len(text))), Box(left, top - size, left + width, top), size, False, False)


def test_columns_are_read_one_after_the_other_where_the_file_draws_upwards() -> None:
    sides = (("L", 50), ("R", 300))
    columns = [line(f"{side} {n} of it", left, 700 - 12 * n) for n in range(5) for side, left in sides]
    drawn = [*columns[::-1], line("The wide title of all this, over both columns", 50, 750, 18), line("top", 50, 800)]
    assert [block.text for block in blocks_of(drawn)] == [
        "top",
        "The wide title of all this, over both columns",
        "L 0 of it L 1 of it L 2 of it L 3 of it L 4 of it",
        "R 0 of it R 1 of it R 2 of it R 3 of it R 4 of it",
    ]


def test_the_files_own_order_stands_where_it_can_be_read() -> None:
    left = [line(f"left {n} of this column", 50, 700 - 12 * n) for n in range(4)]
    right = [line(f"right {n} of the other column", 300, 700 - 12 * n) for n in range(4)]
    assert [block.text.split(" ")[0] for block in blocks_of([*left, *right])] == ["left", "right"]


def test_items_of_a_list_keep_their_lines() -> None:
    (block,) = blocks_of([line("• first item", 50, 700), line("• second item that is long", 50, 688)])
    assert (block.kind, block.text) == ("list", "• first item\n• second item that is long")


def test_pdfium_is_closed_again() -> None:
    with opened(pdf(["x"])) as file:
        assert isinstance(file, pdfium.PdfDocument)

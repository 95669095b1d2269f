"""DOCX: headings, paragraphs, lists, tables, text boxes, headers and footnotes, in the order of the file. No pages:
a Word file has none until it is printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING

from lxml import etree

from owngpt.retrieval.document import Document, DocumentBuilder
from owngpt.retrieval.parse.archive import check_archive, readable

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PICTURE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # says again what stands before it
_HEADING = re.compile(r"heading (\d)|(title)$", re.I)
_NOTES = ("/footnotes", "/endnotes")
_FURNITURE = ("/header", "/footer")


def parse_docx(data: bytes) -> Document:
    """The title is that of the file's properties."""
    from docx import Document as open_docx

    check_archive(data)
    with readable("DOCX"):
        word = open_docx(BytesIO(data))
        reader = Reader(word)
        reader.read(word.element.body)
        reader.read_parts()
    return reader.builder.build()


class Reader:
    """Walks the body of a document."""

    def __init__(self, word: WordDocument) -> None:
        self.builder = DocumentBuilder((word.core_properties.title or "").strip() or None)
        self._word = word
        self._levels = dict(_style_levels(word.styles.element))
        self._list_styles = _list_styles(word.styles.element)
        self._items: list[str] = []

    def read(self, parent: etree._Element) -> None:
        """Add the paragraphs and tables under `parent`."""
        for element in _flow(parent):
            if element.tag == f"{_W}p":
                self._paragraph(element)
            else:
                self._flush()
                self.builder.table([list(map(_cell, _cells(row))) for row in element.findall(f"{_W}tr")])
        self._flush()

    def read_parts(self) -> None:
        """Add headers and footers, each once, and then the notes."""
        said: set[str] = set()
        for name, titles in ((_FURNITURE, "Header and footer"), (_NOTES, "Notes")):
            parts = [part for part in self._word.part.package.iter_parts() if part.partname.rpartition("/")[2]]
            found = [part.blob for part in parts if any(f"{mark}" in part.partname for mark in name)]
            lines = [line for blob in found for line in _paragraphs(blob) if line not in said]
            said.update(lines)
            if lines:
                self.builder.heading(titles, 1)
                self.builder.add("\n".join(dict.fromkeys(lines)))

    def _paragraph(self, element: etree._Element) -> None:
        text = text_of(element)
        if not text.strip():
            return
        style, level, depth = self._properties(element)
        if level:
            self._flush()
            self.builder.heading(text, level)
        elif depth is not None or style in self._list_styles:
            self._items.append("  " * (depth or 0) + "- " + " ".join(text.split()))
        else:
            self._flush()
            self.builder.add(text)

    def _properties(self, element: etree._Element) -> tuple[str, int, int | None]:
        """Style, level as a heading (0 for none), and depth as an item of a list (None for none)."""
        properties = element.find(f"{_W}pPr")
        if properties is None:
            return "", 0, None
        style = _value(properties, "pStyle") or ""
        outline = _value(properties, "outlineLvl")
        level = int(outline) + 1 if outline and outline in "012345" else self._levels.get(style, 0)
        numbering = properties.find(f"{_W}numPr")
        if numbering is None or _value(numbering, "numId") == "0":
            return style, level, None
        depth = _value(numbering, "ilvl") or "0"
        return style, level, min(int(depth), 8) if depth.isdigit() else 0

    def _flush(self) -> None:
        if self._items:
            self.builder.items(self._items)
            self._items = []


def _flow(parent: etree._Element) -> Iterator[etree._Element]:
    """Paragraphs and tables in order, also those inside content controls, changes and text boxes; no recursion."""
    waiting = [parent]
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{_W}p", f"{_W}tbl") and element is not parent:
            yield element
            boxes = [] if element.tag == f"{_W}tbl" else list(element.iterdescendants(f"{_W}txbxContent"))
            waiting += [box for box in reversed(boxes) if not _is_fallback(box)]
        elif element.tag not in (f"{_W}del", f"{_W}moveFrom", f"{_W}sectPr"):
            waiting += reversed([child for child in element if isinstance(child.tag, str)])


def _is_fallback(element: etree._Element) -> bool:
    return any(above.tag == _PICTURE for above in element.iterancestors())


def text_of(paragraph: etree._Element) -> str:
    """What a paragraph says now: without what was deleted, and without its text boxes, which are read on their own."""
    parts = []
    walk = etree.iterwalk(paragraph, events=("start",))
    for _, element in walk:
        name = element.tag.removeprefix(_W) if isinstance(element.tag, str) else ""
        if name in ("del", "moveFrom", "txbxContent", "rt", "instrText") or element.tag == _PICTURE:
            walk.skip_subtree()
        elif name == "t":
            parts.append(element.text or "")
        elif name in ("tab", "ptab") and element.getparent().tag == f"{_W}r":
            parts.append("\t")
        elif name in ("br", "cr"):
            parts.append("\n")
        elif name == "noBreakHyphen":
            parts.append("-")
    return "".join(parts)


def _cells(row: etree._Element) -> list[etree._Element]:
    return list(row.iter(f"{_W}tc"))


def _cell(cell: etree._Element) -> str:
    return " ".join(text_of(paragraph) for paragraph in cell.iterchildren(f"{_W}p"))


def _paragraphs(blob: bytes) -> list[str]:
    """Texts of the paragraphs of another part, such as the footnotes."""
    root = etree.fromstring(blob, etree.XMLParser(resolve_entities=False, no_network=True))
    return [text for paragraph in root.iter(f"{_W}p") if (text := " ".join(text_of(paragraph).split()))]


def _style_levels(styles: etree._Element) -> Iterator[tuple[str, int]]:
    """Style -> level of the headings that have it; their names are English in every language."""
    for style in styles.findall(f"{_W}style"):
        named = _HEADING.match(_value(style, "name") or "")
        outline = style.find(f"{_W}pPr/{_W}outlineLvl")
        level = 1 if named and named[2] else int(named[1]) if named else 0
        if outline is not None and not level and (value := outline.get(f"{_W}val", "")) in tuple("012345"):
            level = int(value) + 1
        if level:
            yield style.get(f"{_W}styleId", ""), level


def _list_styles(styles: etree._Element) -> frozenset[str]:
    found = (style for style in styles.findall(f"{_W}style") if style.find(f"{_W}pPr/{_W}numPr") is not None)
    named = (style for style in styles.findall(f"{_W}style") if (_value(style, "name") or "").startswith("List "))
    return frozenset(style.get(f"{_W}styleId", "") for style in (*found, *named))


def _value(parent: etree._Element, name: str) -> str | None:
    element = parent.find(f"{_W}{name}")
    return None if element is None else element.get(f"{_W}val")

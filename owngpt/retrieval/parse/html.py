"""HTML: headings, paragraphs, lists, tables and code of the main part; no scripts, styles, menus or forms.

One pass over the elements in document order, without recursion, so that nesting has no depth that hurts.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree
from lxml import html as lxml_html
from lxml.etree import _Element

from owngpt.retrieval.document import Document, DocumentBuilder, DocumentError, clean

_SKIPPED = frozenset(
    ("script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas", "select", "button", "head")
)
_FURNITURE = frozenset(("nav", "aside", "footer", "form", "menu"))
_INLINE_TAGS = """
a abbr b bdi bdo cite code data del dfn em font i ins kbd label mark q rb ruby s samp small span strong sub sup time tt
u var wbr
"""
_INLINE = frozenset(_INLINE_TAGS.split())
_RUBY = frozenset(("rt", "rp"))  # how a word is read: not part of the sentence
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


def parse_html(text: str) -> Document:
    """The title is that of the page. Raises `DocumentError` for a page without text."""
    parser = lxml_html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=True)
    try:
        root = lxml_html.document_fromstring(clean(text).encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise DocumentError(f"it is not readable as HTML ({error})") from error
    if any("excessive depth" in entry.message.lower() for entry in parser.error_log):
        raise DocumentError("the file is nested too deeply to be read; simplify it")
    title = root.findtext(".//title")
    reader = Reader(" ".join(title.split()) if title and title.strip() else None)
    for skipped in (_SKIPPED | _FURNITURE, _SKIPPED):
        reader.read(_main(root), skipped)
        if reader.builder.length:
            break
    return reader.builder.build()


def _main(root: _Element) -> _Element:
    """The element that says it is the main one, if there is just one and it has text."""
    found = root.findall(".//main") or root.findall(".//article")
    return found[0] if len(found) == 1 and len("".join(found[0].itertext()).strip()) > 200 else root


class Reader:
    """Collects text until a block ends."""

    def __init__(self, title: str | None) -> None:
        self.builder = DocumentBuilder(title)
        self._text: list[str] = []  # of the block that is being read
        self._items: list[str] = []  # of the list that is being read
        self._prefixes: list[str] = []  # of the items that are open
        self._depth = 0  # of preformatted text

    def read(self, root: _Element, skipped: frozenset[str]) -> None:
        """Add everything under `root` but elements of these names."""
        walk = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
        for event, element in walk:
            name = element.tag if isinstance(element.tag, str) else ""
            if event in ("comment", "pi"):
                self._add(element.tail)
            elif event == "start" and (name in skipped or name in _RUBY or _is_hidden(element)):
                walk.skip_subtree()
            elif event == "start" and name == "table" and (rows := table_rows(element)):
                self._flush()
                self._flush_items()
                self.builder.table(rows)
                walk.skip_subtree()
                element.set("data-owngpt-read", "")
            elif event == "start":
                self._start(name)
                self._add(element.text)
            else:
                self._end(name, element)
                if element is not root:
                    self._add(element.tail)
        self._flush()
        self._flush_items()

    def _start(self, name: str) -> None:
        if name == "br":
            self._text.append("\n")
        elif name not in _INLINE:
            self._flush()
        if name == "pre":
            self._depth += 1
        if name in ("li", "dt", "dd"):
            self._prefixes.append("  " * max(0, len(self._prefixes)) + "- ")

    def _end(self, name: str, element: _Element) -> None:
        if name in _INLINE or name == "br":
            return
        if name in _HEADINGS:
            self._flush_items()
            self.builder.heading("".join(self._text), _HEADINGS[name])
            self._text = []
        elif name == "pre" and self._depth:
            self._depth -= 1
            self._flush_items()
            self.builder.add("".join(self._text), "code")
            self._text = []
        self._flush()
        if name in ("li", "dt", "dd") and self._prefixes:
            self._prefixes.pop()
        if name in ("ul", "ol", "dl") and not self._prefixes:
            self._flush_items()

    def _add(self, text: str | None) -> None:
        if text:
            self._text.append(text if self._depth else _collapsed(text))

    def _flush(self) -> None:
        """End the paragraph or item that is being read."""
        lines = [" ".join(line.split(" ")).strip() for line in "".join(self._text).split("\n")]
        text = "\n".join(line for line in (" ".join(line.split()) for line in lines) if line)
        self._text = []
        if not text:
            return
        if self._prefixes:
            self._items.append(self._prefixes[-1] + " ".join(text.split("\n")))
        else:
            self._flush_items()
            self.builder.add(text)

    def _flush_items(self) -> None:
        if self._items:
            self.builder.items(self._items)
            self._items = []


def _collapsed(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ").replace("\t", " ")


def _is_hidden(element: _Element) -> bool:
    style = (element.get("style") or "").replace(" ", "").lower()
    return "hidden" in element.attrib or element.get("aria-hidden") == "true" or "display:none" in style


def table_rows(table: _Element) -> list[list[str]]:
    """Cells of a table of data; nothing for one that only lays out the page (one column, or tables inside)."""
    if next(table.iterdescendants("table"), None) is not None:
        return []
    rows = [[_cell(cell) for cell in row.iterchildren("td", "th")] for row in table.iterdescendants("tr")]
    return rows if sum(len(row) > 1 for row in rows) > 1 else []


def _cell(cell: _Element) -> str:
    return " ".join("".join(_texts(cell)).split())


def _texts(cell: _Element) -> Iterator[str]:
    for element in cell.iter():
        if isinstance(element.tag, str) and element.tag not in _SKIPPED | _RUBY:
            yield " " if element.tag not in _INLINE else ""
            yield element.text or ""
        if element is not cell:
            yield element.tail or ""

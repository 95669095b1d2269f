"""XLSX: a sheet is a page, a row is a line; values as they were last computed. Read as a stream, within bounds."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from io import BytesIO
from typing import Any

from owngpt.retrieval.document import Document, DocumentBuilder, DocumentError
from owngpt.retrieval.parse.archive import check_archive, readable

_EMPTY_FORMULA = re.compile(rb"</f>\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
MAX_CELLS = 5_000_000  # of one sheet, empty ones included


def parse_xlsx(data: bytes, progress: Callable[[int, int], None]) -> Document:
    """Each sheet under its name; its first row names the columns. `DocumentError` for a sheet that is too large."""
    from openpyxl import load_workbook

    check_archive(data)
    with readable("XLSX"):
        book = load_workbook(BytesIO(data), read_only=True, data_only=True)
        builder = DocumentBuilder((book.properties.title or "").strip() or None)
        for number, sheet in enumerate(book.worksheets, start=1):
            builder.page(number)
            sheet.reset_dimensions()  # what the file says of them is often wrong, and may be huge
            rows = _rows(sheet.title, sheet.iter_rows(values_only=True))
            if rows:
                builder.heading(sheet.title, 1)
                builder.table(rows)
            progress(number, len(book.worksheets))
        book.close()
        if number := _without_value(data):
            builder.notes.append(f"{number} formulas have no stored result; open the file, save it and send it again")
    return builder.build()


def _without_value(data: bytes) -> int:
    """Formulas that no program has computed yet: what they would say is not in the file."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        sheets = [part for part in archive.infolist() if part.filename.startswith("xl/worksheets/")]
        return sum(len(_EMPTY_FORMULA.findall(archive.read(part))) for part in sheets)


def _rows(title: str, rows: Iterable[tuple[Any, ...]]) -> list[list[str]]:
    """The rows that are not empty."""
    kept, num_cells = [], 0
    for row in rows:
        num_cells += len(row) + 1
        if num_cells > MAX_CELLS:
            raise DocumentError(f"sheet {title!r} has more than {MAX_CELLS:,} cells; split it or send it as CSV")
        cells = list(map(_text, row))
        if any(cells):
            kept.append(cells)
    return kept


def _text(value: Any) -> str:
    """A cell as people see it, as far as that can be known without its number format."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)

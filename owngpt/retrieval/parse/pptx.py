"""PPTX: a slide is a page; its title, texts, tables and notes, from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

from owngpt.retrieval.document import Document, DocumentBuilder
from owngpt.retrieval.parse.archive import check_archive, readable

_MAX_GROUPS = 20  # groups of shapes inside each other


def parse_pptx(data: bytes, progress: Callable[[int, int], None]) -> Document:
    """The title is that of the file's properties. Hidden slides are read too."""
    from pptx import Presentation

    check_archive(data)
    with readable("PPTX"):
        show = Presentation(BytesIO(data))
        builder = DocumentBuilder((show.core_properties.title or "").strip() or None)
        for number, slide in enumerate(show.slides, start=1):
            builder.page(number)
            _slide(builder, slide)
            progress(number, len(show.slides))
    return builder.build()


def _slide(builder: DocumentBuilder, slide: Any) -> None:
    title = slide.shapes.title
    if title is not None and title.text_frame.text.strip():
        builder.heading(title.text_frame.text, 1)
    taken = None if title is None else title.shape_id
    for shape in sorted(_shapes(slide.shapes), key=lambda shape: (shape.top or 0, shape.left or 0)):
        if shape.shape_id != taken:
            _shape(builder, shape)
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) is not None and frame.text.strip():
        builder.heading("Notes", 2)
        builder.add(frame.text)


def _shapes(shapes: Any, depth: int = 0) -> Iterator[Any]:
    for shape in shapes:
        if hasattr(shape, "shapes") and depth < _MAX_GROUPS:
            yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _shape(builder: DocumentBuilder, shape: Any) -> None:
    if getattr(shape, "has_table", False):
        builder.table([[cell.text for cell in row.cells] for row in shape.table.rows])
    elif getattr(shape, "has_chart", False):
        _chart(builder, shape.chart)
    elif shape.has_text_frame:
        lines = ["  " * line.level + line.text for line in shape.text_frame.paragraphs if line.text.strip()]
        builder.add("\n".join(lines), "list" if len(lines) > 1 else "paragraph")


def _chart(builder: DocumentBuilder, chart: Any) -> None:
    """The numbers of a chart as a table."""
    plot = chart.plots[0]
    names = [str(category) for category in plot.categories]
    rows = [["", *names]] + [[series.name, *map(str, series.values)] for series in plot.series]
    if chart.has_title and chart.chart_title.has_text_frame:
        builder.add(chart.chart_title.text_frame.text)
    builder.table(rows)

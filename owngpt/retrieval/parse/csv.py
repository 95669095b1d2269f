"""CSV and TSV: one table; the delimiter is the one that divides the first lines most evenly."""

from __future__ import annotations

import csv
from collections import Counter

from owngpt.retrieval.document import Document, DocumentBuilder, DocumentError, clean

_DELIMITERS = ",\t;|"
_SAMPLE_LINES = 50
csv.field_size_limit(10_000_000)


def parse_csv(text: str) -> Document:
    """The first row names the columns."""
    kept = clean(text)
    builder = DocumentBuilder()
    try:
        builder.table(list(csv.reader(kept.splitlines(keepends=True), delimiter=delimiter_of(kept))))
    except csv.Error as error:
        raise DocumentError(f"it is not a valid CSV file: {error}") from error
    return builder.build()


def delimiter_of(text: str) -> str:
    """The one with the most columns that most lines agree on; a comma if there is none."""
    lines = [line for line in text[:100_000].splitlines()[:_SAMPLE_LINES] if line.strip()]

    def evenness(delimiter: str) -> tuple[float, int]:
        numbers = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter))
        columns, agreeing = numbers.most_common(1)[0]
        return (agreeing / sum(numbers.values()), columns) if columns > 1 else (0.0, 0)

    return max(_DELIMITERS, key=evenness) if lines else ","

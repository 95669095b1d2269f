"""JSON and JSON lines: as written where that is in lines, written anew where it is all in one."""

from __future__ import annotations

import json

from owngpt.retrieval.document import Block, Document, clean
from owngpt.retrieval.parse.text import parse_text

_LONG_LINE = 2_000  # characters


def parse_json(text: str) -> Document:
    """Values of a JSON document, or one record a line. What is no JSON at all is plain text, and says so."""
    kept = clean(text).strip()
    try:
        value = json.loads(kept)
    except ValueError:
        return _lines(kept)
    except RecursionError:
        return _noted(kept, "it is nested too deeply to be read as JSON, and was read as plain text")
    if max(map(len, kept.split("\n"))) > _LONG_LINE:
        kept = clean(json.dumps(value, ensure_ascii=False, indent=1))
    return Document(kept, blocks=(Block(0, len(kept), "code"),))


def _lines(text: str) -> Document:
    try:
        for line in text.split("\n"):
            if line.strip():
                json.loads(line)
    except (ValueError, RecursionError) as error:
        return _noted(text, f"it is not valid JSON ({error}), and was read as plain text")
    return Document(text, blocks=(Block(0, len(text), "list"),))


def _noted(text: str, note: str) -> Document:
    document = parse_text(text)
    return Document(document.text, document.pages, document.blocks, None, (note,))

"""`input_file`: a document in a message. Its text stands in the item from then on, and so do its name and file id."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from anyio import CapacityLimiter

from owngpt.errors import InvalidRequest
from owngpt.service.app import App, Caller
from owngpt.service.privacy import Guard
from owngpt.service.responses.items import Item


def limiter(app: App, items: Sequence[Item]) -> CapacityLimiter | None:
    """For the thread that reads these items: files take a place among few, so that they leave the others' threads."""
    return app.ingest.visitors if any(map(_files, items)) else None


def _files(item: Item) -> list[dict[str, Any]]:
    """The files of an item that have not been read yet."""
    parts = [part for field in ("content", "output") if isinstance(item.get(field), list) for part in item[field]]
    return [part for part in parts if part["type"] == "input_file" and "text" not in part]


def read_files(app: App, caller: Caller, items: Sequence[Item], guard: Guard | None) -> list[Item]:
    """Items whose files have been read. Blocks while they are. Raises `NotFound` and `InvalidRequest` (a file that
    cannot be read is one), and personal data is masked.
    """
    return [_read(app, caller, item, guard) for item in items]


def _read(app: App, caller: Caller, item: Item, guard: Guard | None) -> Item:
    for field in ("content", "output"):
        parts = item.get(field)
        if isinstance(parts, list) and any(part["type"] == "input_file" for part in parts):
            item = {**item, field: [_part(app, caller, part, guard) for part in parts]}
    return item


def _part(app: App, caller: Caller, part: dict[str, Any], guard: Guard | None) -> dict[str, Any]:
    if part["type"] != "input_file" or "text" in part:
        return part
    filename, data = _content(app, caller, part)
    text = app.ingest.read(filename, data).text
    known = {"file_id": part["file_id"]} if part.get("file_id") else {}
    name = guard.mask(filename) if guard and known else filename  # one that came along was masked with the request
    return {"type": "input_file", "filename": name, **known, "text": guard.mask(text) if guard else text}


def _content(app: App, caller: Caller, part: dict[str, Any]) -> tuple[str, bytes]:
    if part.get("file_id"):
        file = app.files.find(caller.project_id, part["file_id"], caller.principals)
        with app.files.open(file) as content:
            return file.filename, content.read()
    return part.get("filename") or "document.txt", _decoded(part["file_data"])


def _decoded(data: str) -> bytes:
    """Base64, perhaps in a data URL."""
    try:
        return base64.b64decode(data.partition(";base64,")[2] or data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("'file_data' is not valid base64.", param="input", code="invalid_value") from None

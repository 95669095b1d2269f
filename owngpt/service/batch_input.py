"""The input file of a batch: one request per line, all checked before the first one runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from owngpt.store.batches import Line

MAX_LINES, MAX_BYTES = 50_000, 200 * 1024**2
MAX_LINE_BYTES = 16 * 1024**2
MAX_CUSTOM_ID = 512
MAX_ERRORS = 100  # that are told


@dataclass
class Scan:
    """What was found. Where there are errors, nothing of the file runs."""

    lines: list[Line] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    models: set[str] = field(default_factory=set)

    @property
    def model(self) -> str | None:
        """The one that all requests name, if they do."""
        return next(iter(self.models)) if len(self.models) == 1 else None


class LineError(Exception):
    """What is wrong with a line: OpenAI's code, a message, and the field to blame."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param


def scan(content: BinaryIO, endpoint: str) -> Scan:
    """Read and check the whole input. Reads a line at a time; blank lines are skipped."""
    found, seen = Scan(), set[str]()
    for number, (place, text) in enumerate(_lines(content), start=1):
        if not text.strip():
            continue
        if len(found.lines) == MAX_LINES:
            _note(found, None, LineError("too_many_tasks", f"The file has more than {MAX_LINES} requests."))
            break
        try:
            custom_id, body = check_line(text, endpoint)
            if custom_id in seen:
                raise LineError(
                    "duplicate_custom_id", f"custom_id {custom_id[:60]!r} stands on an earlier line, too.", "custom_id"
                )
        except LineError as error:
            _note(found, number, error)
            if len(found.errors) == MAX_ERRORS:
                break
            continue
        seen.add(custom_id)
        if isinstance(model := body.get("model"), str):
            found.models.add(model)
        found.lines.append(Line(len(found.lines), custom_id, place, len(text)))
    if not found.lines and not found.errors:
        _note(found, None, LineError("empty_file", "The input file has no requests."))
    return found


def check_line(text: bytes, endpoint: str) -> tuple[str, dict[str, Any]]:
    """-> `custom_id` and `body` of a line. Raises `LineError`."""
    document = _parse(text)
    custom_id, body = document.get("custom_id"), document.get("body")
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= MAX_CUSTOM_ID or not _is_text(custom_id):
        raise LineError(
            "invalid_custom_id", f"custom_id must be a string of 1 to {MAX_CUSTOM_ID} characters.", "custom_id"
        )
    if document.get("method") != "POST":
        raise LineError("invalid_method", f"method is {str(document.get('method'))[:60]!r}; it must be POST.", "method")
    if document.get("url") != endpoint:
        raise LineError(
            "invalid_url", f"url is {str(document.get('url'))[:60]!r}; the batch's endpoint is {endpoint}.", "url"
        )
    if not isinstance(body, dict):
        raise LineError("invalid_request", "body must be a JSON object.", "body")
    if body.get("stream") or body.get("background"):
        name = "stream" if body.get("stream") else "background"
        raise LineError("invalid_request", f"{name} cannot be used in a batch.", f"body.{name}")
    return custom_id, body


def _parse(text: bytes) -> dict[str, Any]:
    if len(text) > MAX_LINE_BYTES:
        raise LineError("invalid_json_line", f"This line is over {MAX_LINE_BYTES} bytes.")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise LineError("invalid_json_line", "This line is not parseable as valid JSON.") from None
    if not isinstance(document, dict):
        raise LineError("invalid_json_line", "This line is not a JSON object.")
    return document


def _lines(content: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each line; of one that is too long only as much as shows that."""
    place = 0
    while text := content.readline(MAX_LINE_BYTES + 1):
        yield place, text
        place += len(text)
        while len(text) > MAX_LINE_BYTES and not text.endswith(b"\n"):
            text = content.readline(MAX_LINE_BYTES + 1)
            place += len(text)


def _note(found: Scan, line: int | None, error: LineError) -> None:
    found.errors.append({"code": error.code, "line": line, "message": error.message, "param": error.param})


def _is_text(value: str) -> bool:
    """Whether every database can keep it."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False

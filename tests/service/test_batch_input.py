import io
import json
from typing import Any

import pytest

from owngpt.service import batch_input
from owngpt.service.batch_input import scan

URL = "/v1/embeddings"


def line(custom_id: str, **body: Any) -> bytes:
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": URL, "body": body}).encode()


def test_places_lead_back_to_the_lines() -> None:
    """Blank lines, Windows' ends and a missing last end of line change nothing."""
    text = b"\n" + line("a", model="m") + b"\r\n\n  \n" + line("b", model="m") + b"\n" + line("c", model="m")
    found = scan(io.BytesIO(text), URL)
    assert (found.errors, found.model) == ([], "m")
    for each, custom_id in zip(found.lines, "abc", strict=True):
        assert json.loads(text[each.place : each.place + each.bytes])["custom_id"] == custom_id == each.custom_id
    assert [each.line for each in found.lines] == [0, 1, 2]


def test_several_models_are_none_in_particular() -> None:
    assert scan(io.BytesIO(line("a", model="m") + b"\n" + line("b", model="n")), URL).model is None


def test_too_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_input, "MAX_LINES", 2)
    [error] = scan(io.BytesIO(b"\n".join(line(str(i)) for i in range(4))), URL).errors
    assert (error["code"], error["line"]) == ("too_many_tasks", None)


def test_a_line_that_is_too_long_is_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_input, "MAX_LINE_BYTES", 200)
    found = scan(io.BytesIO(line("a", input="x" * 1000) + b"\n" + line("b")), URL)
    assert [(error["code"], error["line"]) for error in found.errors] == [("invalid_json_line", 1)]
    assert [each.custom_id for each in found.lines] == ["b"]


def test_only_so_many_errors_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_input, "MAX_ERRORS", 3)
    assert [error["line"] for error in scan(io.BytesIO(b"x\n" * 10), URL).errors] == [1, 2, 3]


@pytest.mark.parametrize("custom_id", ["", "x" * 513, "a\0b", "\ud800", None])
def test_a_custom_id_is_text_that_can_be_kept(custom_id: Any) -> None:
    text = json.dumps({"custom_id": custom_id, "method": "POST", "url": URL, "body": {}}).encode()
    assert [error["code"] for error in scan(io.BytesIO(text), URL).errors] == ["invalid_custom_id"]


def test_deep_nesting_is_no_json() -> None:
    assert [error["code"] for error in scan(io.BytesIO(b"[" * 100_000), URL).errors] == ["invalid_json_line"]

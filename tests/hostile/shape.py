"""The one shape that every error has."""

from __future__ import annotations

from typing import Any

import httpx

TYPES = {"invalid_request_error", "rate_limit_error", "permission_error", "server_error"}


def check_error(response: httpx.Response, *statuses: int) -> dict[str, Any]:
    """Assert OpenAI's shape and one of the statuses (default: any 4xx); -> the error."""
    assert response.status_code in (statuses or range(400, 500)), response.text[:300]
    return check_error_document(response.headers.get("content-type"), response.json())


def check_error_document(content_type: str | None, document: Any) -> dict[str, Any]:
    assert content_type == "application/json"
    assert document.keys() == {"error"}
    error: dict[str, Any] = document["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]
    assert len(error["message"]) < 1_100, "a message is for people"
    assert error["type"] in TYPES
    assert error["param"] is None or len(error["param"]) < 400
    assert error["code"] is None or isinstance(error["code"], str)
    return error

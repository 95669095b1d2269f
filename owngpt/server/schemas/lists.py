"""Lists on the wire: which page a query string asks for, and the document that carries it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from starlette.requests import Request

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import shown
from owngpt.store.paging import PageRequest


def page_request(
    request: Request, default_limit: int = 20, max_limit: int = 100, default_order: Literal["asc", "desc"] = "desc"
) -> PageRequest:
    """From `after`, `before`, `limit` and `order`. Raises `InvalidRequest` that names the one that cannot be used."""
    query = request.query_params
    return PageRequest(
        after=query.get("after") or None,
        before=query.get("before") or None,
        limit=_limit(query.get("limit"), default_limit, max_limit),
        order=_order(query.get("order"), default_order),
    )


def list_document(data: Sequence[dict[str, Any]], has_more: bool) -> dict[str, Any]:
    """OpenAI's `list`; the two ids are null where it is empty."""
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": list(data), "first_id": first, "last_id": last, "has_more": has_more}


def _limit(text: str | None, default: int, most: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise InvalidRequest(
            f"Invalid 'limit': expected an integer from 1 to {most}, but got {shown(text)} instead.",
            param="limit",
            code="invalid_value",
        )
    return int(text)


def _order(text: str | None, default: Literal["asc", "desc"]) -> Literal["asc", "desc"]:
    match text:
        case None:
            return default
        case "asc" | "desc":
            return text
        case _:
            raise InvalidRequest(
                f"Invalid value for 'order': {shown(text)}. Supported values are: 'asc' and 'desc'.",
                param="order",
                code="invalid_value",
            )

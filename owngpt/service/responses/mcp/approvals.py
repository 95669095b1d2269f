"""Which calls somebody has decided on. A decision is made once; what was approved runs once."""

from __future__ import annotations

from collections.abc import Sequence

from owngpt.errors import InvalidRequest
from owngpt.service.responses.items import Item
from owngpt.store.approvals import has_been_answered


def check_decisions(items: Sequence[Item], inputs: Sequence[Item]) -> None:
    """Raise `InvalidRequest` for a decision in `inputs` on a call that nobody asked for, or that is decided."""
    new = {item["id"] for item in inputs}
    asked: set[str] = set()
    decided: set[str] = set()
    for item in items:
        if item["type"] == "mcp_approval_request":
            asked.add(item["id"])
        elif item["type"] == "mcp_call":
            decided.add(item.get("approval_request_id") or "")
        elif item["type"] == "mcp_approval_response":
            if item["id"] in new:
                _check(item["approval_request_id"], asked, decided)
            decided.add(item["approval_request_id"])


def approved(items: Sequence[Item], inputs: Sequence[Item]) -> list[Item]:
    """The requests that `inputs` approve and that have not run, in the order in which they were made.

    Raises `InvalidRequest` where a request did not fit into the context any more.
    """
    done = {item.get("approval_request_id") for item in items if item["type"] == "mcp_call"}
    wanted = {
        item["approval_request_id"]
        for item in inputs
        if item["type"] == "mcp_approval_response" and item["approve"] and item["approval_request_id"] not in done
    }
    found = [item for item in items if item["type"] == "mcp_approval_request" and item["id"] in wanted]
    if len(found) < len(wanted):
        raise InvalidRequest(
            "A call that was approved does not fit into the context any more; send its approval without further items.",
            param="input",
        )
    return found


def _check(request_id: str, asked: set[str], decided: set[str]) -> None:
    if request_id not in asked:
        raise InvalidRequest(
            f"No approval request found with id '{request_id[:80]}'. Continue from the response that asked for it, "
            "with 'previous_response_id' or by sending its items.",
            param="input",
        )
    if request_id in decided:
        raise has_been_answered(request_id)

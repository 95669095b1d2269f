"""Items of MCP servers on the wire, as clients send them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from owngpt.server.schemas.base import WireModel
from owngpt.service.responses.items import Item, item_id

Id = Annotated[str, Field(min_length=1, max_length=256)]
Text = Annotated[str, Field(max_length=4096)]


class ListedToolObject(WireModel):
    """A tool that a server has listed."""

    name: Text
    description: str | None = None
    input_schema: dict[str, Any]
    annotations: dict[str, Any] | None = None


class McpListItem(WireModel):
    """What a server offers."""

    type: Literal["mcp_list_tools"]
    id: Id | None = None
    server_label: Text
    tools: list[ListedToolObject] = Field(max_length=512, fail_fast=True)
    error: str | None = None
    status: Any = None


class McpCallItem(WireModel):
    """A call that was made here."""

    type: Literal["mcp_call"]
    id: Id | None = None
    server_label: Text
    name: Text
    arguments: str
    output: str | None = None
    error: str | dict[str, Any] | None = None
    status: Literal["in_progress", "completed", "incomplete", "calling", "failed"] | None = None
    approval_request_id: Id | None = None


class ApprovalRequestItem(WireModel):
    """A call that has to be approved."""

    type: Literal["mcp_approval_request"]
    id: Id
    server_label: Text
    name: Text
    arguments: str
    status: Any = None


class ApprovalResponseItem(WireModel):
    """What somebody has decided."""

    type: Literal["mcp_approval_response"]
    id: Id | None = None
    approval_request_id: Id
    approve: bool
    reason: str | None = Field(None, max_length=4096)
    request_id: Any = None
    status: Any = None


def _list(wire: McpListItem, where: str) -> Item:
    return {
        "type": wire.type,
        "id": wire.id or item_id(wire.type),
        "server_label": wire.server_label,
        "tools": [_tool(tool) for tool in wire.tools],
        **({} if wire.error is None else {"error": wire.error}),
    }


def _tool(tool: ListedToolObject) -> dict[str, Any]:
    fields = ("name", "description", "input_schema", "annotations")
    return {name: value for name in fields if (value := getattr(tool, name)) is not None}


def _call(wire: McpCallItem, where: str) -> Item:
    return {
        "type": wire.type,
        "id": wire.id or item_id(wire.type),
        "status": wire.status or "completed",
        "approval_request_id": wire.approval_request_id,
        "arguments": wire.arguments,
        "error": wire.error,
        "name": wire.name,
        "output": wire.output,
        "server_label": wire.server_label,
    }


def _request(wire: ApprovalRequestItem, where: str) -> Item:
    return {
        "type": wire.type,
        "id": wire.id,
        "arguments": wire.arguments,
        "name": wire.name,
        "server_label": wire.server_label,
    }


def _response(wire: ApprovalResponseItem, where: str) -> Item:
    return {
        "type": wire.type,
        "id": wire.id or item_id(wire.type),
        "approval_request_id": wire.approval_request_id,
        "approve": wire.approve,
        "reason": wire.reason,
    }


MCP_SHAPES: Mapping[str, type[WireModel]] = {
    "mcp_list_tools": McpListItem,
    "mcp_call": McpCallItem,
    "mcp_approval_request": ApprovalRequestItem,
    "mcp_approval_response": ApprovalResponseItem,
}
MCP_JSON: Mapping[type[WireModel], Callable[[Any, str], Item]] = {
    McpListItem: _list,
    McpCallItem: _call,
    ApprovalRequestItem: _request,
    ApprovalResponseItem: _response,
}

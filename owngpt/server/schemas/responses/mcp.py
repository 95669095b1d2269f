"""`mcp` tools of a request, and their way into the service's `McpUse`. Field names: OpenAI's OpenAPI description.

What the caller has to keep secret (the path of the URL, headers, the token) is never shown in an answer or an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import WireModel, required, shown, translate
from owngpt.service.responses.mcp.access import redacted
from owngpt.service.responses.mcp.servers import Approvals, McpServer, McpUse, Pick, ToolFilter

MAX_SECRET = 16_384  # characters of a token or a header
MAX_HEADERS = 64
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_OURS = re.compile(
    r"host|content-.*|transfer-encoding|connection|upgrade|te|trailer|expect|accept|accept-encoding|keep-alive"
    r"|mcp-session-id|mcp-protocol-version|last-event-id|proxy-.*",
    re.IGNORECASE,
)


M = TypeVar("M", bound=WireModel)


class McpFields(WireModel):
    """The fields of a tool definition that belong to `mcp`."""

    server_label: str | None = None
    server_url: str | None = None
    connector_id: str | None = None
    tunnel_id: str | None = None
    authorization: str | None = None
    headers: dict[str, str] | None = None
    server_description: str | None = None
    allowed_tools: Any = None
    require_approval: Any = None


class FilterObject(WireModel):
    """Some of a server's tools."""

    tool_names: list[str] | None = Field(None, max_length=512)
    read_only: bool | None = None


class ApprovalObject(WireModel):
    """Which calls have to be approved."""

    always: FilterObject | None = None
    never: FilterObject | None = None


def read_servers(tools: Sequence[tuple[str, McpFields]], picks: frozenset[Pick] | None) -> McpUse:
    """Definitions with their wire paths -> servers. Raises `InvalidRequest` that names the field."""
    servers = [_server(tool, where) for where, tool in tools]
    labels: set[str] = set()
    for server in servers:
        if server.label in labels:
            raise InvalidRequest(
                f"The label {server.label!r} stands twice among the MCP servers; their calls could not be told apart.",
                param=f"{server.param}.server_label",
                code="invalid_value",
            )
        labels.add(server.label)
    for label, _ in picks or ():
        if label not in labels:
            raise InvalidRequest(
                f"Invalid 'tool_choice': {shown(label)} is not the label of an MCP server of this request.",
                param="tool_choice",
                code="invalid_value",
            )
    return McpUse(tuple(servers), picks if servers else None)


def server_document(tool: McpFields) -> dict[str, Any]:
    """A server as it is answered with."""
    about = {} if tool.server_description is None else {"server_description": tool.server_description}
    return {
        "type": "mcp",
        "server_label": tool.server_label,
        "server_url": redacted(tool.server_url or ""),
        **about,
        "headers": None,
        "allowed_tools": tool.allowed_tools,
        "require_approval": "always" if tool.require_approval is None else tool.require_approval,
    }


def _server(tool: McpFields, where: str) -> McpServer:
    label = required(tool.server_label, f"{where}.server_label")
    if not _LABEL.fullmatch(label):
        raise InvalidRequest(
            f"Invalid '{where}.server_label': {shown(label)}. It begins with a letter and has letters, digits, '-' and "
            "'_' only, at most 64 characters.",
            param=f"{where}.server_label",
            code="invalid_value",
        )
    for name in ("connector_id", "tunnel_id"):
        if getattr(tool, name) is not None:
            raise InvalidRequest(
                f"'{where}.{name}' cannot be honoured: this server has no connectors and no tunnels. Send the "
                "'server_url' of an MCP server.",
                param=f"{where}.{name}",
                code="unsupported_parameter",
            )
    return McpServer(
        label,
        required(tool.server_url, f"{where}.server_url"),
        _headers(tool, where),
        tool.server_description or "",
        _allowed(tool.allowed_tools, f"{where}.allowed_tools"),
        _approvals(tool.require_approval, f"{where}.require_approval"),
        where,
    )


def _headers(tool: McpFields, where: str) -> Mapping[str, str]:
    headers = dict(tool.headers or {})
    if len(headers) > MAX_HEADERS:
        raise _refused(f"{where}.headers", f"{len(headers)} headers are too many; at most {MAX_HEADERS}")
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or _OURS.fullmatch(name):
            raise _refused(f"{where}.headers", f"the header {shown(name)} cannot be set here")
        _check_value(value, f"{where}.headers", f"the value of the header {name!r}")
    if tool.authorization is None:
        return headers
    if any(name.lower() == "authorization" for name in headers):
        raise _refused(f"{where}.authorization", "there is an Authorization among the headers, too; send one of them")
    _check_value(tool.authorization, f"{where}.authorization", "the token")
    return {**headers, "Authorization": f"Bearer {tool.authorization}"}


def _check_value(value: str, param: str, what: str) -> None:
    if len(value) > MAX_SECRET or not _VALUE.fullmatch(value):
        raise _refused(param, f"{what} is too long, or has characters other than printable ASCII")


def _refused(param: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid {param!r}: {why}.", param=param, code="invalid_value")


def _allowed(value: Any, where: str) -> ToolFilter:
    if value is None:
        return ToolFilter()
    return _filter(_parsed(FilterObject, {"tool_names": value} if isinstance(value, list) else value, where))


def _approvals(value: Any, where: str) -> Approvals:
    """What is not named in `never` has to be approved."""
    if value in ("always", "never", None):
        return Approvals(default=value != "never")
    if not isinstance(value, dict):
        raise _refused(where, f"{shown(value)} is not one of 'always', 'never'; or send an object")
    wire = _parsed(ApprovalObject, value, where)
    always, never = (_filter(part) if part is not None else None for part in (wire.always, wire.never))
    return Approvals(True, always, never)


def _filter(wire: FilterObject) -> ToolFilter:
    return ToolFilter(frozenset(wire.tool_names) if wire.tool_names is not None else None, wire.read_only)


def _parsed(shape: type[M], value: Any, where: str) -> M:
    try:
        found = shape.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise translate({**first, "loc": (where, *first["loc"])}) from None
    if found.model_extra:
        name = next(iter(found.model_extra))
        raise InvalidRequest(
            f"Unknown parameter: '{where}.{name[:64]}'.", param=f"{where}.{name[:64]}", code="unknown_parameter"
        )
    return found

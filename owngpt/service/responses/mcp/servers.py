"""What a request says of its MCP servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from owngpt.service.responses.items import Item

Pick = tuple[str, str | None]  # a server's label, and one of its tools; None: any of them


@dataclass(frozen=True, slots=True)
class ToolFilter:
    """Some of a server's tools: all that fit each condition which is given."""

    names: frozenset[str] | None = None
    read_only: bool | None = None  # what the server says of its tool (`readOnlyHint`)

    def fits(self, tool: Mapping[str, Any]) -> bool:
        """Whether a tool, as an `mcp_list_tools` item has it, is one of them."""
        hints = tool.get("annotations")
        is_read_only = isinstance(hints, Mapping) and (hints.get("readOnlyHint") or hints.get("read_only")) is True
        if self.names is not None and tool["name"] not in self.names:
            return False
        return self.read_only is None or self.read_only == is_read_only


@dataclass(frozen=True, slots=True)
class Approvals:
    """Which calls somebody has to approve: what neither filter names follows `default`."""

    default: bool = True
    always: ToolFilter | None = None
    never: ToolFilter | None = None

    def needed(self, tool: Mapping[str, Any]) -> bool:
        """Whether a call of this tool waits for an approval; where both filters fit, it does."""
        if self.always is not None and self.always.fits(tool):
            return True
        if self.never is not None and self.never.fits(tool):
            return False
        return self.default


@dataclass(frozen=True, slots=True)
class McpServer:
    """One server. Its URL and headers may hold secrets: they are shown and written down nowhere."""

    label: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    description: str = ""
    allowed: ToolFilter = ToolFilter()
    approvals: Approvals = Approvals()
    param: str = "tools"  # its wire path


@dataclass(frozen=True, slots=True)
class McpUse:
    """The servers of a request. `picks`: the tools that its choice names; None where it names none."""

    servers: Sequence[McpServer] = ()
    picks: frozenset[Pick] | None = None

    def known(self, items: Sequence[Item]) -> dict[str, Item]:
        """The newest list of each server in a conversation, by its label: a server is not asked twice."""
        labels = {server.label for server in self.servers}
        return {
            item["server_label"]: item
            for item in items
            if item["type"] == "mcp_list_tools" and item["server_label"] in labels and not item.get("error")
        }

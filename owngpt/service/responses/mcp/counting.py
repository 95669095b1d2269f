"""What the tools of MCP servers take of a prompt, before any server is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from owngpt.service.responses.items import Item
from owngpt.service.responses.mcp.catalog import offered

if TYPE_CHECKING:
    from owngpt.service.responses.turn import Turn


def with_listed_tools(turn: Turn, items: Sequence[Item]) -> Turn:
    """The turn with the tools that its conversation has listed: enough to count it. Work for the processor."""
    known, use = turn.mcp.known(items), turn.tool_use
    servers = [server for server in turn.mcp.servers if server.label in known]
    found = [
        (server.param, tool)
        for server in servers
        for _, tool in offered(server, known[server.label], turn.model.tokenizer)
    ]
    tools, params = [*use.tools, *(tool for _, tool in found)], [*use.params, *(param for param, _ in found)]
    return replace(turn, tool_use=replace(use, tools=tools, params=params)) if found else turn

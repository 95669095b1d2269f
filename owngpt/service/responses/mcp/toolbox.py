"""The MCP servers of one response: what they list, what is called, what was approved. Sessions end with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from owngpt.errors import ConnectorFailed, InvalidRequest
from owngpt.service.responses.builder import ResponseBuilder
from owngpt.service.responses.items import Item, item_id
from owngpt.service.responses.mcp.approvals import approved
from owngpt.service.responses.mcp.calls import McpTool, OpenRecord, Outcome
from owngpt.service.responses.mcp.catalog import offered
from owngpt.service.responses.mcp.client import McpFailure, Session
from owngpt.service.responses.mcp.servers import McpServer
from owngpt.service.responses.open_items import Event
from owngpt.service.workers import GRAMMAR_COST
from owngpt.text.grammar import ToolChoice
from owngpt.types import Tool, ToolCall

if TYPE_CHECKING:
    from owngpt.service.app import App
    from owngpt.service.responses.turn import Context, Turn

T = TypeVar("T")


class Toolbox:
    """Made with a response; `close` it in any case."""

    def __init__(self, app: App, turn: Turn, context: Context) -> None:
        self._app, self._turn, self._context, self._guard = app, turn, context, turn.guard
        self._sessions: dict[str, Session] = {}
        self._running: dict[str, asyncio.Task[Outcome]] = {}
        self._news: list[Item] = []  # lists that have not been told of
        self.failure: ConnectorFailed | None = None  # a server gave no list
        self._tools: list[McpTool] = []

    async def open(self) -> Turn:
        """Ask servers for their tools, unless the conversation has them; -> the turn, with these on offer.

        Raises `InvalidRequest`, and `ConnectorFailed` for a list that cannot be used. A server that gives none is a
        `failure`, of which `tell` tells before it is raised.
        """
        use = self._turn.mcp
        known = use.known(self._context.items)
        new = [server for server in use.servers if server.label not in known]
        self._news = list(await asyncio.gather(*map(self._list, new)))
        for server, item in zip(new, self._news, strict=True):
            if "error" in item:
                told = f"Error retrieving tool list from MCP server '{server.label}': {item['error']}"
                self.failure = ConnectorFailed(told, param=server.param)
                return self._turn
        lists = known | {item["server_label"]: item for item in self._news}
        for server in use.servers:
            tokenizer = self._turn.model.tokenizer
            found = await self._app.workers.run(GRAMMAR_COST, offered, server, lists[server.label], tokenizer)
            self._tools += [McpTool(self, server, listed, tool) for listed, tool in found]
        return self._offer()

    def tell(self, builder: ResponseBuilder) -> Iterator[Event]:
        """The events of lists that are new."""
        news, self._news = self._news, []
        for item in news:
            listing = OpenRecord(*builder.place(), {**item, "tools": []})
            yield from builder.open(listing)
            yield listing.event("response.mcp_list_tools.in_progress")
            listing.item |= item
            yield listing.event(f"response.mcp_list_tools.{'failed' if 'error' in item else 'completed'}")
            yield from builder.close()

    def approved(self) -> list[tuple[McpTool, Item]]:
        """The calls that this request approves. Raises `InvalidRequest` for those of tools that it does not offer."""
        if self.failure is not None:
            return []
        requests = approved(self._context.items, self._context.inputs)
        return [(self._approved_tool(request), request) for request in requests]

    def start(self, calls: Sequence[ToolCall]) -> None:
        """Run these at once; `outcome` waits for them."""
        tools = {tool.definition.name: tool for tool in self._tools}
        for call in calls:
            tool = tools.get(call.name)
            if tool is not None and not tool.needs_approval:
                self._running[call.id] = asyncio.create_task(self._call(tool, call.arguments))

    async def outcome(self, tool: McpTool, call: ToolCall) -> Outcome:
        """What the call gave. Never raises for what a server does."""
        running = self._running.pop(call.id, None)
        return await (running or self._call(tool, call.arguments))

    def shown(self, arguments: str) -> str:
        """Arguments as the caller sees them, and as they are sent."""
        return self._guard.unmask(arguments, as_json=True) if self._guard else arguments

    async def close(self) -> None:
        """End what runs, and all sessions."""
        for running in self._running.values():
            running.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await asyncio.gather(*(session.close() for session in self._sessions.values()))

    async def _list(self, server: McpServer) -> Item:
        item: Item = {"type": "mcp_list_tools", "id": item_id("mcp_list_tools"), "server_label": server.label}
        try:
            tools = await self._session(server).list_tools()
        except McpFailure as failure:
            return {**item, "tools": [], "error": failure.message}
        tools = [tool for tool in tools if server.allowed.fits(tool)]
        if self._guard is not None:
            tools = await self._app.workers.run(len(json.dumps(tools)), self._guard.kept, tools)
        return {**item, "tools": tools}

    async def _call(self, tool: McpTool, arguments: str) -> Outcome:
        try:
            given = json.loads(arguments or "{}")
        except ValueError:
            given = None
        if not isinstance(given, dict):
            return Outcome(None, _protocol_error(-32602, "the arguments are not a JSON object"))
        try:
            return await self._called(tool, given)
        except InvalidRequest as error:  # of the privacy policy
            return Outcome(None, _protocol_error(-32603, error.message))

    async def _called(self, tool: McpTool, arguments: Mapping[str, Any]) -> Outcome:
        try:
            result = await self._session(tool.server).call_tool(tool.name, arguments)
        except McpFailure as failure:
            return Outcome(None, {**failure.error, "message": await self._masked(failure.message)})
        text = await self._masked(result.text)
        if result.is_error:
            content = [{"type": "text", "text": text}]
            return Outcome(None, {"type": "mcp_tool_execution_error", "content": content})
        return Outcome(text)

    async def _masked(self, text: str) -> str:
        """What a server said, as the caller sees it; from now on its personal data has placeholders."""
        if self._guard is None:
            return text
        masked = await self._app.workers.run(len(text), self._guard.mask, text)
        return self._guard.unmask(masked)

    def _session(self, server: McpServer) -> Session:
        if server.label not in self._sessions:
            seconds = self._app.settings.mcp.mcp_seconds
            self._sessions[server.label] = Session(server, self._app.mcp, seconds)
        return self._sessions[server.label]

    def _offer(self) -> Turn:
        turn, use = self._turn, self._turn.tool_use
        tools: list[Tool] = [*use.tools, *(tool.definition for tool in self._tools)]
        _check_names(tools, self._tools)
        params = [*use.params, *(f"{tool.server.param} ({tool.name})" for tool in self._tools)]
        use = replace(use, tools=tools, params=params, choice=self._choice(use.choice))
        return replace(turn, tool_use=use, hosted=[*turn.hosted, *self._tools])

    def _choice(self, choice: ToolChoice) -> ToolChoice:
        """With the names of the tools that it picks of servers."""
        picks = self._turn.mcp.picks
        if picks is None:
            return choice
        names = set(choice.names or ())
        for label, name in sorted(picks, key=str):
            found = {t.definition.name for t in self._tools if t.server.label == label and name in (None, t.name)}
            if not found:
                raise InvalidRequest(
                    f"'tool_choice' names {name or 'any tool'!r} of the MCP server '{label}', which does not offer it.",
                    param="tool_choice",
                    code="invalid_value",
                )
            names |= found
        return replace(choice, names=frozenset(names))

    def _approved_tool(self, request: Item) -> McpTool:
        for tool in self._tools:
            if (tool.server.label, tool.name) == (request["server_label"], request["name"]):
                return tool
        raise InvalidRequest(
            f"A call of '{request['name'][:80]}' on the MCP server '{request['server_label'][:80]}' is approved, but "
            "this request does not offer that tool. Send the same 'tools' again.",
            param="tools",
        )


def _protocol_error(code: int, message: str) -> Mapping[str, Any]:
    return {"type": "mcp_protocol_error", "code": code, "message": message}


def _check_names(tools: Sequence[Tool], hosted: Sequence[McpTool]) -> None:
    names = [tool.name for tool in tools]
    for tool in hosted:
        if names.count(tool.definition.name) > 1:
            raise InvalidRequest(
                f"The tool '{tool.name[:80]}' of the MCP server '{tool.server.label}' and another one would both be "
                f"called '{tool.definition.name}'. Use another 'server_label'.",
                param=f"{tool.server.param}.server_label",
            )

"""One call of an MCP tool: the item that tells of it, and its events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from owngpt.service.responses.builder import ResponseBuilder
from owngpt.service.responses.items import Item
from owngpt.service.responses.mcp.rendering import pass_item_id
from owngpt.service.responses.mcp.servers import McpServer
from owngpt.service.responses.open_items import Emit, Event, OpenItem, Status, copy
from owngpt.types import Tool, ToolCall

if TYPE_CHECKING:
    from owngpt.service.responses.mcp.toolbox import Toolbox


class Outcome(NamedTuple):
    """What a call gave: an output, or an error as it stands on the wire."""

    output: str | None
    error: Mapping[str, Any] | None = None


class McpTool:
    """A `HostedTool`: one tool of one server."""

    def __init__(self, box: Toolbox, server: McpServer, listed: Mapping[str, Any], definition: Tool) -> None:
        self._box, self.server, self._listed, self.definition = box, server, listed, definition

    @property
    def name(self) -> str:
        """As the server knows it."""
        return str(self._listed["name"])

    @property
    def needs_approval(self) -> bool:
        return self.server.approvals.needed(self._listed)

    async def run(self, call: ToolCall, builder: ResponseBuilder) -> AsyncGenerator[Event, None]:
        """Run the call, or ask for its approval, which ends the response."""
        if self.needs_approval:
            for event in self._ask(call, builder):
                yield event
            return
        item = OpenMcpCall(*builder.place(), builder.pass_id, self.server.label, self.name)
        for event in self._begin(item, call.arguments, builder):
            yield event
        for event in self._end(item, await self._box.outcome(self, call), builder):
            yield event

    async def run_approved(self, request: Item, builder: ResponseBuilder) -> AsyncGenerator[Event, None]:
        """Run a call that was asked for in an earlier response, and is approved now."""
        call = ToolCall(request["id"], self.definition.name, self._box.shown(request["arguments"]))
        item = OpenMcpCall(*builder.place(), builder.pass_id, self.server.label, self.name, request["id"])
        for event in self._begin(item, call.arguments, builder):
            yield event
        for event in self._end(item, await self._box.outcome(self, call), builder):
            yield event

    def _ask(self, call: ToolCall, builder: ResponseBuilder) -> Iterator[Event]:
        item = {
            "type": "mcp_approval_request",
            "id": pass_item_id("mcp_approval_request", builder.pass_id),
            "arguments": call.arguments,
            "name": self.name,
            "server_label": self.server.label,
        }
        yield from builder.open(OpenRecord(*builder.place(), item))
        yield from builder.close()

    def _begin(self, item: OpenMcpCall, arguments: str, builder: ResponseBuilder) -> Iterator[Event]:
        yield from builder.open(item)
        yield from item.add(arguments)

    def _end(self, item: OpenMcpCall, outcome: Outcome, builder: ResponseBuilder) -> Iterator[Event]:
        yield from item.answer(outcome)
        yield from builder.close()


class OpenMcpCall(OpenItem):
    """`mcp_call`."""

    def __init__(
        self, index: int, emit: Emit, pass_id: str, label: str, name: str, approval_request_id: str | None = None
    ) -> None:
        super().__init__(
            "mcp_call",
            index,
            emit,
            approval_request_id=approval_request_id,
            arguments="",
            error=None,
            name=name,
            output=None,
            server_label=label,
        )
        self.item["id"] = pass_item_id("mcp_call", pass_id)

    def open(self) -> Iterator[Event]:
        yield from super().open()
        yield self._emit("response.mcp_call.in_progress", **self._at())

    def add(self, text: str) -> Iterator[Event]:
        """Its arguments, whole."""
        self.item["arguments"] = text
        yield self._emit("response.mcp_call_arguments.delta", **self._at(), delta=text)
        yield self._emit("response.mcp_call_arguments.done", **self._at(), arguments=text)

    def answer(self, outcome: Outcome) -> Iterator[Event]:
        """What the server gave."""
        self.item |= {"output": outcome.output, "error": outcome.error}
        yield self._emit(f"response.mcp_call.{'failed' if outcome.error else 'completed'}", **self._at())

    def close(self, status: Status) -> Iterator[Event]:
        """It has failed, or it is as the response is."""
        self.item["status"] = "failed" if self.item["error"] else status
        yield self._emit("response.output_item.done", output_index=self._index, item=copy(self.item))

    def _end(self, text: str) -> Iterator[Event]:
        yield from ()


class OpenRecord(OpenItem):
    """An item that has no status: `mcp_list_tools`, `mcp_approval_request`."""

    def __init__(self, index: int, emit: Emit, item: Item) -> None:
        super().__init__(item["type"], index, emit)
        self.item = item

    def add(self, text: str) -> Iterator[Event]:
        raise AssertionError("it has no text")

    def event(self, type_: str) -> Event:
        """News of it, such as `response.mcp_list_tools.completed`."""
        return self._emit(type_, **self._at())

    def close(self, status: Status) -> Iterator[Event]:
        yield self._emit("response.output_item.done", output_index=self._index, item=copy(self.item))

    def _end(self, text: str) -> Iterator[Event]:
        yield from ()

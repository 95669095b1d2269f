"""Tools that run here instead of at the client. An answer goes on with what they give."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from owngpt.service.responses.builder import ResponseBuilder
from owngpt.service.responses.open_items import Event
from owngpt.types import Tool, ToolCall

MAX_CALLS = 64  # of one response whose request names no limit


class HostedTool(Protocol):
    """One tool that the model may call. Its items become part of the response, and render to what the model reads."""

    @property
    def definition(self) -> Tool:
        """As the model is offered it."""
        ...

    def run(self, call: ToolCall, builder: ResponseBuilder) -> AsyncGenerator[Event, None]:
        """Run a call: the events of the items that it adds to the response. A tool that fails says so in its item."""
        ...

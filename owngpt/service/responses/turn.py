"""A turn: what one response is made from. `answer.py` makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatPrompt, ToolUse
from owngpt.service.generate import Caching
from owngpt.service.grounding import GroundingOptions
from owngpt.service.inline import InlineDocument
from owngpt.service.models import ServedModel
from owngpt.service.privacy import Guard
from owngpt.service.receipts import Order
from owngpt.service.responses.file_search import FileSearch
from owngpt.service.responses.hosted import HostedTool
from owngpt.service.responses.items import Item
from owngpt.service.responses.mcp.servers import McpUse
from owngpt.service.responses.rendering import to_messages
from owngpt.service.responses.seal import Seal
from owngpt.store.sources import Quoted
from owngpt.text.grammar import ResponseFormat
from owngpt.types import Message, SamplingParams, Tier


@dataclass(frozen=True, slots=True)
class Turn:
    """A checked request for one response."""

    id: str
    model: ServedModel
    fields: Mapping[str, Any]  # of the response, as far as they follow from the request
    input: Sequence[Item]
    sampling: SamplingParams
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation_id: str | None = None
    tool_use: ToolUse = field(default_factory=ToolUse)
    response_format: ResponseFormat = field(default_factory=ResponseFormat)
    reasoning_effort: str | None = None
    template_arguments: Mapping[str, Any] = field(default_factory=dict)
    has_summary: bool = False  # thinking is delivered as a summary
    include: frozenset[str] = frozenset()
    may_drop: bool = False  # truncation: auto
    compact_threshold: int | None = None  # tokens above which the conversation is summed up first
    hosted: Sequence[HostedTool] = ()
    mcp: McpUse = field(default_factory=McpUse)
    search: FileSearch | None = None
    documents: Sequence[InlineDocument] = ()
    grounding: GroundingOptions = field(default_factory=GroundingOptions)  # to what was found, and to the documents
    max_tool_calls: int | None = None  # of hosted tools
    is_stored: bool = True
    request_id: str = ""
    order: Order | None = None
    caching: Caching = field(default_factory=Caching)
    tier: Tier = Tier.DEFAULT
    patience: float | None = None
    guard: Guard | None = None  # that the request has passed
    preface: str = ""  # what the answer begins with, where it is no JSON

    @property
    def named(self) -> str:
        """What the caller calls the model."""
        return str(self.fields.get("model") or self.model.name)

    @property
    def seals_reasoning(self) -> bool:
        """Whether clients have to carry the thinking themselves."""
        return "reasoning.encrypted_content" in self.include or not self.is_stored

    def prompt(self, items: Sequence[Item], seal: Seal) -> ChatPrompt:
        """What the model is shown, with these items as the conversation."""
        system = [Message("system", self.instructions)] if self.instructions else []
        return ChatPrompt(
            messages=[*system, *to_messages(items, seal)],
            tool_use=self.tool_use,
            response_format=self.response_format,
            reasoning_effort=self.reasoning_effort,
            template_arguments=self.template_arguments,
            param="input",
        )


@dataclass(frozen=True, slots=True)
class Context:
    """The whole conversation of a turn: `items` ends with its own `inputs`, whose references have been looked up."""

    items: Sequence[Item]
    inputs: Sequence[Item]
    dropped: Sequence[str] = ()  # ids of items that did not fit
    quoted: frozenset[Quoted] = frozenset()  # in what it goes on from, and in what it copies


def seal_of(app: App, caller: Caller, guard: Guard | None = None) -> Seal:
    """For content that clients carry; personal data is put into it as placeholders."""
    return Seal(app.settings.data_dir, caller.project_id, guard.kept if guard else str)

"""The body of POST /v1/responses. Fields and ranges: OpenAI's OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import WireModel
from owngpt.server.schemas.chat import Effort, TemplateArguments
from owngpt.server.schemas.grounding import MAX_DOCUMENTS, CitationOptions, DocumentObject
from owngpt.server.schemas.metadata import Metadata
from owngpt.server.schemas.responses.items import Input
from owngpt.server.schemas.responses.tools import Choice, ToolDefinition
from owngpt.server.schemas.sampling import MAX_TOKENS, SamplingFields, ServiceTier
from owngpt.server.schemas.tools import MAX_TOOLS

Include = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]


class Reasoning(WireModel):
    """How long to think, and how thinking is delivered."""

    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None  # its old name


class TextFormat(WireModel):
    """What the answer's text must be."""

    type: Literal["text", "json_object", "json_schema"]
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")] | None = None
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class Text(WireModel):
    """How the answer is written."""

    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ConversationReference(WireModel):
    """A conversation that is stored here."""

    id: str


def _conversation(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


class ContextManagement(WireModel):
    """When the conversation is to be compacted by itself."""

    type: Literal["compaction"]
    compact_threshold: int | None = Field(None, ge=1000)


class ContextFields(WireModel):
    """What the model is shown: the fields that /responses and /responses/input_tokens share."""

    input: Input | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: Annotated[ConversationReference, BeforeValidator(_conversation)] | None = None
    tools: list[ToolDefinition] | None = Field(None, max_length=MAX_TOOLS, fail_fast=True)
    tool_choice: Choice | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    text: Text | None = None
    truncation: Literal["auto", "disabled"] | None = None
    chat_template_kwargs: TemplateArguments | None = None


class InputTokensRequest(ContextFields):
    """The body of POST /v1/responses/input_tokens."""

    model: str | None = None
    personality: Any = None


class CompactRequest(WireModel):
    """The body of POST /v1/responses/compact. Unlike elsewhere the model has to be named."""

    model: str
    input: Input | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    prompt_cache_key: str | None = Field(None, max_length=1024)
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    prompt_cache_options: Any = None
    service_tier: ServiceTier | None = None


class ResponseRequest(ContextFields, SamplingFields):
    """What a client asks for. The last block is known only to be refused, or to be named as without effect.

    `documents` and `citation_options` are as in chat completions; the latter holds for `file_search`, too.
    """

    documents: list[DocumentObject] | None = Field(None, min_length=1, max_length=MAX_DOCUMENTS, fail_fast=True)
    citation_options: CitationOptions | None = None

    include: list[Include] | None = None
    max_output_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    max_tool_calls: int | None = Field(None, ge=1)
    top_logprobs: int | None = Field(None, ge=0, le=20)
    background: bool | None = None
    metadata: Metadata | None = None
    safety_identifier: str | None = Field(None, max_length=64)
    prompt_cache_key: str | None = Field(None, max_length=1024)
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None

    context_management: list[ContextManagement] | None = None
    moderation: Any = None
    prompt: Any = None
    prompt_cache_options: Any = None
    client_metadata: Any = None


WITHOUT_EFFECT = ("prompt_cache_options", "client_metadata")
_REFUSED = {
    "moderation": "this server has no moderation model",
    "prompt": "this server keeps no prompts; send 'instructions' and 'input'",
    "max_tokens": "its name here is 'max_output_tokens'",
}


def check_response(request: ResponseRequest) -> None:
    """Raise `InvalidRequest` for known fields that cannot be honoured as sent."""
    for name, why in _REFUSED.items():
        if getattr(request, name) is not None:
            raise InvalidRequest(
                f"Unsupported parameter: {name!r} cannot be honoured: {why}.", param=name, code="unsupported_parameter"
            )
    if request.n not in (None, 1):
        raise InvalidRequest(f"'n' is {request.n}; a response has one answer.", param="n", code="unsupported_value")
    if request.stream_options is not None and not request.stream:
        raise InvalidRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    check_context(request)


def check_context(request: ContextFields) -> None:
    """Raise `InvalidRequest` for a context that says two things, or nothing."""
    if request.previous_response_id is not None and request.conversation is not None:
        raise InvalidRequest(
            "'previous_response_id' and 'conversation' cannot be used together.", param="previous_response_id"
        )
    is_empty = not request.input and request.previous_response_id is None and request.conversation is None
    if is_empty:
        raise InvalidRequest(
            "One of 'input', 'previous_response_id' or 'conversation' must be provided, and not empty.",
            param="input",
            code="missing_required_parameter",
        )
    if request.reasoning is not None and "concise" in (request.reasoning.summary, request.reasoning.generate_summary):
        raise InvalidRequest(
            "Unsupported value for 'reasoning.summary': 'concise': nobody sums up here; 'auto' and 'detailed' deliver "
            "the thinking itself.",
            param="reasoning.summary",
            code="unsupported_value",
        )

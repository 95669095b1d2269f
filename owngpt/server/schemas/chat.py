"""The body of POST /v1/chat/completions. Fields and ranges: OpenAI's OpenAPI description."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import WireModel, missing, unknown_fields
from owngpt.server.schemas.grounding import MAX_DOCUMENTS, CitationOptions, DocumentObject
from owngpt.server.schemas.messages import ChatMessage, Prediction, to_message
from owngpt.server.schemas.metadata import Metadata
from owngpt.server.schemas.sampling import (
    MAX_TOKENS,
    Logprobs,
    SamplingFields,
    check_stream_options,
    sampling_params,
)
from owngpt.server.schemas.tools import (
    MAX_TOOLS,
    Choice,
    ResponseFormatObject,
    ToolDefinition,
    to_response_format,
    to_tool_use,
)
from owngpt.service.chat import ChatPrompt
from owngpt.service.generate import Caching
from owngpt.service.models import ServedModel
from owngpt.types import SamplingParams

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class TemplateArguments(WireModel):
    """Variables for the chat template, as vLLM takes them; others than these go through as they are."""

    enable_thinking: bool | None = None


class ChatCompletionRequest(SamplingFields):
    """What a client asks of a chat. The last blocks are known only to be refused, or to be named as without effect."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=16_384, fail_fast=True)
    max_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    max_completion_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: ResponseFormatObject | None = None
    tools: list[ToolDefinition] | None = Field(None, max_length=MAX_TOOLS, fail_fast=True)
    tool_choice: Choice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Effort | None = None
    chat_template_kwargs: TemplateArguments | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    modalities: list[Literal["text", "audio"]] | None = Field(None, max_length=16, fail_fast=True)
    safety_identifier: str | None = Field(None, max_length=64)
    prediction: Prediction | None = None
    documents: list[DocumentObject] | None = Field(None, min_length=1, max_length=MAX_DOCUMENTS, fail_fast=True)
    citation_options: CitationOptions | None = None
    prompt_cache_key: str | None = Field(None, max_length=1024)
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None

    audio: Any = None
    function_call: Any = None
    functions: Any = None
    moderation: Any = None
    web_search_options: Any = None

    metadata: Metadata | None = None  # kept with a completion that is stored
    prompt_cache_options: Any = None


WITHOUT_EFFECT = ("prompt_cache_options",)
_REFUSED = {
    "audio": "this server answers with text only",
    "function_call": "it is deprecated; use 'tool_choice'",
    "functions": "it is deprecated; use 'tools'",
    "moderation": "this server has no moderation model",
    "web_search_options": "this server does not search the web",
}


def check_chat(request: ChatCompletionRequest) -> None:
    """Raise `InvalidRequest` for known fields that cannot be honoured as sent."""
    check_stream_options(request)
    for name, why in _REFUSED.items():
        if getattr(request, name) is not None:
            raise _unsupported(name, f"Unsupported parameter: {name!r} cannot be honoured: {why}.")
    if request.modalities is not None and request.modalities != ["text"]:
        raise _unsupported("modalities", "Unsupported value for 'modalities': this server answers with ['text'] only.")
    if request.verbosity not in (None, "medium"):
        raise _unsupported("verbosity", f"Unsupported value for 'verbosity': {request.verbosity!r}; use 'medium'.")
    if request.citation_options is not None and request.documents is None:
        raise missing("documents")
    if request.top_logprobs is not None and not request.logprobs:
        raise InvalidRequest(
            "'top_logprobs' is only allowed when 'logprobs' is true.", param="top_logprobs", code="invalid_value"
        )


def to_prompt(request: ChatCompletionRequest) -> ChatPrompt:
    """Wire -> `ChatPrompt`. Raises `InvalidRequest` for messages and tools that cannot be used."""
    arguments = request.chat_template_kwargs.model_dump(exclude_unset=True) if request.chat_template_kwargs else {}
    return ChatPrompt(
        messages=[to_message(message, f"messages[{i}]") for i, message in enumerate(request.messages)],
        tool_use=to_tool_use(request.tools or [], request.tool_choice, request.parallel_tool_calls),
        response_format=to_response_format(request.response_format),
        reasoning_effort=request.reasoning_effort,
        template_arguments=arguments,
        prediction=request.prediction.text() if request.prediction else "",
    )


def chat_sampling(request: ChatCompletionRequest, model: ServedModel) -> SamplingParams:
    """Wire -> `SamplingParams`, with the model's defaults. Raises `InvalidRequest`."""
    logprobs = Logprobs(request.top_logprobs or 0) if request.logprobs else Logprobs()
    return sampling_params(request, max_tokens(request), logprobs, model.tokenizer.vocab_size, model.sampling)


def to_caching(request: ChatCompletionRequest) -> Caching:
    """How the prompt may be cached inside its project."""
    return Caching(request.prompt_cache_key or "", is_durable=request.prompt_cache_retention in (None, "24h"))


def max_tokens(request: ChatCompletionRequest) -> int | None:
    """The limit on the answer: either field, or both if they agree."""
    old, new = request.max_tokens, request.max_completion_tokens
    if old is not None and new is not None and old != new:
        raise InvalidRequest(
            f"'max_tokens' is {old} and 'max_completion_tokens' is {new}; send one of them.", param="max_tokens"
        )
    return new if new is not None else old


def ignored_chat_fields(request: ChatCompletionRequest, *, can_think: bool) -> list[str]:
    """Fields that had no effect, for `x-owngpt-ignored`: unknown ones, hints, an effort that the model cannot make."""
    template = tuple(request.chat_template_kwargs.model_extra or ()) if request.chat_template_kwargs else ()
    used = {f"chat_template_kwargs.{name}" for name in template}
    unknown = [name for name in unknown_fields(request) if name not in used]
    hints = [*WITHOUT_EFFECT, *(() if can_think else ["reasoning_effort"]), *(() if request.store else ["metadata"])]
    return unknown + [name for name in hints if getattr(request, name) not in (None, "none")]


def _unsupported(param: str, message: str) -> InvalidRequest:
    code = "unsupported_parameter" if message.startswith("Unsupported parameter") else "unsupported_value"
    return InvalidRequest(message, param=param, code=code)

"""Chat messages on the wire, and their way into `types.Message`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import WireModel, invalid, missing
from owngpt.types import Message, ToolCall


class ContentPart(WireModel):
    """A piece of a message. Only text can be read; the other types are known so that they can be refused by name."""

    type: Literal["text", "refusal", "image_url", "input_audio", "file"]
    text: str | None = None
    refusal: str | None = None


def _parts(value: Any) -> Any:
    if isinstance(value, str):
        return [ContentPart.model_construct(type="text", text=value)]
    if value is None or isinstance(value, list):
        return value
    raise invalid("invalid_type", "expected a string or an array of content parts.")


Content = Annotated[list[ContentPart], Field(min_length=1, max_length=16_384, fail_fast=True), BeforeValidator(_parts)]


class Prediction(WireModel):
    """What the answer is going to resemble, such as the file that it edits."""

    type: Literal["content"]
    content: Content

    def text(self) -> str:
        """Raises `InvalidRequest` where a part is not text."""
        for i, part in enumerate(self.content):
            if part.type != "text" or part.text is None:
                raise InvalidRequest(
                    "A prediction has parts of type 'text' only.",
                    param=f"prediction.content[{i}]",
                    code="unsupported_value",
                )
        return "".join(part.text or "" for part in self.content)


class FunctionCall(WireModel):
    """What an assistant called."""

    name: str = Field(min_length=1, max_length=256)
    arguments: str


class CustomCall(WireModel):
    """A custom tool that an assistant called, with free text."""

    name: str = Field(min_length=1, max_length=256)
    input: str


class AssistantToolCall(WireModel):
    """An earlier tool call that the client sends back."""

    id: str
    type: Literal["function", "custom"] = "function"
    function: FunctionCall | None = None
    custom: CustomCall | None = None


class ChatMessage(WireModel):
    """One message of any role."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: Content | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None  # as DeepSeek and vLLM send it, and as this server answers
    tool_calls: list[AssistantToolCall] | None = Field(None, max_length=1024, fail_fast=True)
    tool_call_id: str | None = None
    audio: Any = None
    function_call: Any = None


def to_message(message: ChatMessage, where: str) -> Message:
    """Wire -> `Message`; `where` is its path. Raises `InvalidRequest` for what this server cannot read."""
    _refuse(message, where)
    assert message.role != "function"
    return Message(
        role=message.role,
        content=_text(message, where),
        reasoning=message.reasoning_content,
        tool_calls=tuple(
            _tool_call(call, f"{where}.tool_calls[{i}]") for i, call in enumerate(message.tool_calls or ())
        ),
        tool_call_id=message.tool_call_id,
        name=message.name,
    )


def _refuse(message: ChatMessage, where: str) -> None:
    if message.role == "function" or message.function_call is not None:
        raise InvalidRequest(
            f"{where} uses functions, which are deprecated; use tools", param=where, code="unsupported_value"
        )
    if message.audio is not None:
        raise InvalidRequest(
            f"{where}.audio refers to audio; this server handles text only",
            param=f"{where}.audio",
            code="unsupported_value",
        )
    if message.tool_calls and message.role != "assistant":
        raise InvalidRequest(f"{where}.tool_calls stands on a {message.role} message", param=f"{where}.tool_calls")
    if message.role == "tool" and message.tool_call_id is None:
        raise missing(f"{where}.tool_call_id")
    if message.role != "assistant" and message.content is None:
        raise missing(f"{where}.content")


def _text(message: ChatMessage, where: str) -> str:
    parts = [_part(part, f"{where}.content[{i}]") for i, part in enumerate(message.content or ())]
    return "".join(parts) or message.refusal or ""


def _part(part: ContentPart, where: str) -> str:
    if part.type not in ("text", "refusal"):
        raise InvalidRequest(
            f"Invalid value for '{where}.type': {part.type!r}. The models of this server read text only.",
            param=f"{where}.type",
            code="unsupported_value",
        )
    text = part.text if part.type == "text" else part.refusal
    if text is None:
        raise missing(f"{where}.{part.type}")
    return text


def _tool_call(call: AssistantToolCall, where: str) -> ToolCall:
    if call.type == "custom":
        if call.custom is None:
            raise missing(f"{where}.custom")
        return ToolCall(call.id, call.custom.name, call.custom.input, "custom")
    if call.function is None:
        raise missing(f"{where}.function")
    return ToolCall(call.id, call.function.name, call.function.arguments)

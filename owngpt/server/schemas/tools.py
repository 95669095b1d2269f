"""Tools, tool choice and response formats on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from owngpt.server.schemas.base import WireModel, invalid, shown

MAX_TOOLS = 128
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,128}$")]


class FunctionDefinition(WireModel):
    """A function that the model may call."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class GrammarDefinition(WireModel):
    """What a custom tool's input must match."""

    syntax: Literal["lark", "regex"]
    definition: str


class CustomFormat(WireModel):
    """Free text, or a grammar."""

    type: Literal["text", "grammar"]
    grammar: GrammarDefinition | None = None


class CustomDefinition(WireModel):
    """A tool that takes text instead of JSON."""

    name: Name
    description: str | None = None
    format: CustomFormat | None = None


class ToolDefinition(WireModel):
    """One tool."""

    type: Literal["function", "custom"]
    function: FunctionDefinition | None = None
    custom: CustomDefinition | None = None


class NamedTool(WireModel):
    """A tool by its name."""

    name: str


class ToolReference(WireModel):
    """A tool of the request's `tools`."""

    type: Literal["function", "custom"]
    function: NamedTool | None = None
    custom: NamedTool | None = None


class AllowedTools(WireModel):
    """A part of the request's `tools`."""

    mode: Literal["auto", "required"]
    tools: list[ToolReference] = Field(min_length=1, max_length=MAX_TOOLS)


class ToolChoiceObject(WireModel):
    """Which tools may or must be called; the strings `none`, `auto` and `required` stand in `type`."""

    type: Literal["none", "auto", "required", "function", "custom", "allowed_tools"]
    function: NamedTool | None = None
    custom: NamedTool | None = None
    allowed_tools: AllowedTools | None = None


def _choice(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value in ("none", "auto", "required"):
        return ToolChoiceObject.model_construct(type=value)
    raise invalid("invalid_value", f"{shown(value)} is not one of 'none', 'auto', 'required'; or send an object.")


Choice = Annotated[ToolChoiceObject, BeforeValidator(_choice)]


class JsonSchema(WireModel):
    """The schema of a structured output."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormatObject(WireModel):
    """What the answer's text must be."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

"""Tools, tool choice and response formats on the wire, and their way into the service's types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import WireModel, invalid, required, shown
from owngpt.service.chat import InputGrammar, ToolUse
from owngpt.text.grammar import ResponseFormat, ToolChoice
from owngpt.types import Tool

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
    tools: list[ToolReference] = Field(min_length=1, max_length=MAX_TOOLS, fail_fast=True)


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


def to_response_format(wire: ResponseFormatObject | None) -> ResponseFormat:
    """Wire -> `ResponseFormat`; the schema is checked where the vocabulary is known."""
    if wire is None or wire.type != "json_schema":
        return ResponseFormat(wire.type if wire else "text")
    schema = required(wire.json_schema, "response_format.json_schema").schema_
    return ResponseFormat("json_schema", schema)


def to_tool_use(
    definitions: Sequence[ToolDefinition], choice: ToolChoiceObject | None, is_parallel: bool | None
) -> ToolUse:
    """Wire -> `ToolUse`. Raises `InvalidRequest` for a choice that the tools do not allow."""
    tools = [_tool(definition, f"tools[{i}]") for i, definition in enumerate(definitions)]
    _check_names(tools)
    chosen = _tool_choice(choice, {tool.name for tool in tools})
    if chosen.mode == "none":
        return ToolUse()
    return ToolUse(tools, chosen, is_parallel is not False, _input_grammars(definitions))


def _tool(definition: ToolDefinition, where: str) -> Tool:
    if definition.type == "custom":
        custom = required(definition.custom, f"{where}.custom")
        return Tool(custom.name, custom.description or "", type="custom")
    function = required(definition.function, f"{where}.function")
    return Tool(function.name, function.description or "", function.parameters, bool(function.strict))


def _check_names(tools: Sequence[Tool]) -> None:
    seen: set[str] = set()
    for i, tool in enumerate(tools):
        if tool.name in seen:
            raise InvalidRequest(
                f"The name {tool.name!r} stands twice among the tools; their calls could not be told apart.",
                param=f"tools[{i}].{tool.type}.name",
                code="invalid_value",
            )
        seen.add(tool.name)


def _input_grammars(definitions: Sequence[ToolDefinition]) -> dict[str, InputGrammar]:
    found = {}
    for i, definition in enumerate(definitions):
        if definition.custom and definition.custom.format and definition.custom.format.type == "grammar":
            where = f"tools[{i}].custom.format.grammar"
            grammar = required(definition.custom.format.grammar, where)
            found[definition.custom.name] = InputGrammar(grammar.syntax, grammar.definition, f"{where}.definition")
    return found


def _tool_choice(wire: ToolChoiceObject | None, names: set[str]) -> ToolChoice:
    """A tool that is named must be called; `allowed_tools` narrows the choice."""
    if wire is None or wire.type in ("auto", "none"):
        return ToolChoice("none" if wire and wire.type == "none" else "auto")
    if not names:
        raise InvalidRequest(
            "'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice", code="invalid_value"
        )
    if wire.type == "required":
        return ToolChoice("required")
    if wire.type == "allowed_tools":
        allowed = required(wire.allowed_tools, "tool_choice.allowed_tools")
        where = "tool_choice.allowed_tools.tools"
        return ToolChoice(
            allowed.mode, frozenset(_named(tool, f"{where}[{i}]", names) for i, tool in enumerate(allowed.tools))
        )
    return ToolChoice("required", frozenset({_named(wire, "tool_choice", names)}))


def _named(reference: ToolReference | ToolChoiceObject, where: str, names: set[str]) -> str:
    kind = "custom" if reference.type == "custom" else "function"
    name = required(reference.custom if kind == "custom" else reference.function, f"{where}.{kind}").name
    if name not in names:
        raise InvalidRequest(
            f"Invalid value for '{where}.{kind}.name': {shown(name)} is not among the tools.",
            param=f"{where}.{kind}.name",
            code="invalid_value",
        )
    return name

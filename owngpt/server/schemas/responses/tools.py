"""Tools and tool choice of the Responses API, and their way into the service's types.

Functions and custom tools are run by the client. Hosted tools that this server does not have are ignored and named
where they stand beside others (as Codex sends them), and refused where nothing else could be meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import WireModel, invalid, missing, required, shown
from owngpt.server.schemas.filters import read_filter
from owngpt.server.schemas.responses.mcp import McpFields, read_servers, server_document
from owngpt.server.schemas.search import RankingOptions
from owngpt.server.schemas.tools import MAX_TOOLS, Name
from owngpt.service.chat import InputGrammar, ToolUse
from owngpt.service.responses.file_search import FileSearch
from owngpt.service.responses.mcp.servers import McpUse, Pick
from owngpt.text.grammar import ToolChoice
from owngpt.types import Tool

MISSING = frozenset(  # tools of OpenAI that nobody hosts here
    {
        "apply_patch",
        "code_interpreter",
        "computer",
        "computer_use",
        "computer_use_preview",
        "image_generation",
        "local_shell",
        "namespace",
        "programmatic_tool_calling",
        "shell",
        "tool_search",
        "web_search",
        "web_search_2025_08_26",
        "web_search_preview",
        "web_search_preview_2025_03_11",
    }
)


_HOSTED = ("file_search", "mcp")
KNOWN = ("function", "custom", "file_search", "mcp")


class CustomFormat(WireModel):
    """What the input of a custom tool must be."""

    type: Literal["text", "grammar"]
    syntax: Literal["lark", "regex"] | None = None
    definition: str | None = None


class ToolDefinition(McpFields):
    """One tool of any type."""

    type: str
    name: Name | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    format: CustomFormat | None = None
    vector_store_ids: list[str] | None = Field(None, min_length=1, max_length=16)
    max_num_results: int | None = Field(None, ge=1, le=50)
    ranking_options: RankingOptions | None = None
    filters: dict[str, Any] | None = None
    output_schema: Any = None
    defer_loading: bool | None = None
    allowed_callers: Any = None


class ToolChoiceObject(WireModel):
    """Which tools may or must be called; the strings `none`, `auto` and `required` stand in `type`."""

    type: str
    name: str | None = None
    server_label: str | None = None
    mode: Literal["auto", "required"] | None = None
    tools: list[dict[str, Any]] | None = Field(None, max_length=MAX_TOOLS, fail_fast=True)


def _choice(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value in ("none", "auto", "required"):
        return ToolChoiceObject.model_construct(type=value)
    raise invalid("invalid_value", f"{shown(value)} is not one of 'none', 'auto', 'required'; or send an object.")


Choice = Annotated[ToolChoiceObject, BeforeValidator(_choice)]


class ReadTools(NamedTuple):
    """The tools that the model may call, how they are answered with, and the paths of those that are ignored."""

    use: ToolUse
    document: list[dict[str, Any]]
    ignored: list[str]
    search: FileSearch | None = None
    mcp: McpUse = McpUse()


def read_tools(
    definitions: Sequence[ToolDefinition], choice: ToolChoiceObject | None, is_parallel: bool | None
) -> ReadTools:
    """Wire -> tools. Raises `InvalidRequest` for tools that are not known, and for a choice of what is not there."""
    numbered = list(enumerate(definitions))
    called = [(i, tool) for i, tool in numbered if tool.type in ("function", "custom")]
    ignored = [(i, tool) for i, tool in numbered if tool.type in MISSING]
    for i, tool in numbered:
        if tool.type not in KNOWN and tool.type not in MISSING:
            raise _unknown(tool.type, f"tools[{i}].type")
    search = _search(numbered, choice)
    is_searched = any(tool.type == "file_search" for tool in definitions)
    servers = [(f"tools[{i}]", tool) for i, tool in numbered if tool.type == "mcp"]
    _check_choice_of_missing(choice, [tool for _, tool in ignored], has_others=bool(called or servers) or is_searched)
    tools = [_tool(tool, f"tools[{i}]") for i, tool in called]
    _check_names(tools, [i for i, _ in called])
    names = {tool.name for tool in tools}
    chosen = _tool_choice(choice, names, is_searched=is_searched, has_servers=bool(servers))
    mcp = read_servers(servers, _picks(choice))
    use = ToolUse(
        tools if chosen.mode != "none" else (),
        chosen if chosen.mode != "none" else ToolChoice(),
        is_parallel is not False,
        _input_grammars(called),
        tuple(f"tools[{i}].parameters" for i, _ in called) if chosen.mode != "none" else (),
    )
    paths = [f"tools[{i}].{tool.type}" for i, tool in ignored]
    shown_tools = [_document(tool) for tool in definitions if tool.type in KNOWN]
    return ReadTools(use, shown_tools, paths, search, mcp if chosen.mode != "none" else McpUse())


def choice_document(choice: ToolChoiceObject | None) -> str | dict[str, Any]:
    """A choice as it is answered with."""
    if choice is None:
        return "auto"
    if choice.type in ("none", "auto", "required"):
        return choice.type
    return choice.model_dump(exclude_none=True)


def _search(numbered: Sequence[tuple[int, ToolDefinition]], choice: ToolChoiceObject | None) -> FileSearch | None:
    """What `file_search` asks for; None where there is none, or the choice leaves it out."""
    found = [(f"tools[{i}]", tool) for i, tool in numbered if tool.type == "file_search"]
    if len(found) > 1:
        raise InvalidRequest("'tools' has more than one 'file_search'; name all stores in one.", param=found[1][0])
    if choice is not None and (choice.type in ("none", "function", "custom") or not _allows_search(choice)):
        return None
    return _file_search(found[0][1], found[0][0]) if found else None


def _allows_search(choice: ToolChoiceObject) -> bool:
    return choice.type != "allowed_tools" or any(tool.get("type") == "file_search" for tool in choice.tools or ())


def _file_search(tool: ToolDefinition, where: str) -> FileSearch:
    ranking = tool.ranking_options or RankingOptions()
    weights = f"{where}.ranking_options.hybrid_search"
    return FileSearch(
        tuple(required(tool.vector_store_ids, f"{where}.vector_store_ids")),
        read_filter(tool.filters, f"{where}.filters") if tool.filters is not None else None,
        tool.max_num_results or 10,
        ranking.score_threshold,
        ranking.ranker,
        ranking.hybrid_search.weights(weights) if ranking.hybrid_search else None,
    )


def _document(tool: ToolDefinition) -> dict[str, Any]:
    if tool.type == "file_search":
        ranking = tool.ranking_options or RankingOptions()
        return {
            "type": "file_search",
            "vector_store_ids": tool.vector_store_ids,
            "filters": tool.filters,
            "max_num_results": tool.max_num_results or 10,
            "ranking_options": ranking.model_dump(exclude_none=True),
        }
    if tool.type == "mcp":
        return server_document(tool)
    if tool.type == "function":
        strict = tool.strict is not False
        shape = {"parameters": tool.parameters, "strict": strict}
    else:
        shape = {"format": tool.format.model_dump(exclude_none=True) if tool.format else {"type": "text"}}
    description = tool.description if tool.type == "function" else tool.description or ""
    return {"type": tool.type, "name": tool.name, "description": description, **shape}


def _tool(tool: ToolDefinition, where: str) -> Tool:
    name = required(tool.name, f"{where}.name")
    if tool.type == "custom":
        return Tool(name, tool.description or "", type="custom")
    return Tool(name, tool.description or "", tool.parameters, tool.strict is not False)


def _check_names(tools: Sequence[Tool], places: Sequence[int]) -> None:
    seen: set[str] = set()
    for place, tool in zip(places, tools, strict=True):
        if tool.name in seen:
            raise InvalidRequest(
                f"The name {tool.name!r} stands twice among the tools; their calls could not be told apart.",
                param=f"tools[{place}].name",
                code="invalid_value",
            )
        seen.add(tool.name)


def _input_grammars(tools: Sequence[tuple[int, ToolDefinition]]) -> dict[str, InputGrammar]:
    found = {}
    for i, tool in tools:
        if tool.format is not None and tool.format.type == "grammar" and tool.type == "custom":
            where = f"tools[{i}].format"
            if tool.format.syntax is None:
                raise missing(f"{where}.syntax")
            definition = required(tool.format.definition, f"{where}.definition")
            found[tool.name or ""] = InputGrammar(tool.format.syntax, definition, f"{where}.definition")
    return found


def _unknown(type_: str, where: str) -> InvalidRequest:
    known = ", ".join(KNOWN)
    return InvalidRequest(
        f"Invalid value for '{where}': {shown(type_)}. This server has tools of the types: {known}.",
        param=where,
        code="invalid_value",
    )


def _check_choice_of_missing(
    choice: ToolChoiceObject | None, missing_tools: Sequence[ToolDefinition], *, has_others: bool
) -> None:
    """Refuse by name what is demanded and is not there."""
    if choice is not None and choice.type in MISSING:
        raise _not_hosted(choice.type, "tool_choice")
    if missing_tools and not has_others and (choice is None or choice.type != "none"):
        raise _not_hosted(missing_tools[0].type, "tools")


def _not_hosted(type_: str, param: str) -> InvalidRequest:
    return InvalidRequest(
        f"The tool {type_!r} is not available: this server does not host it. Offer a function instead.",
        param=param,
        code="unsupported_value",
    )


def _picks(choice: ToolChoiceObject | None) -> frozenset[Pick] | None:
    """The tools of MCP servers that a choice names; their own names are known when they have been listed."""
    if choice is None or choice.type in ("auto", "none", "required", "file_search"):
        return None
    named = [choice.model_dump()] if choice.type != "allowed_tools" else choice.tools or []
    picks = [(tool.get("server_label"), tool.get("name")) for tool in named if tool.get("type") == "mcp"]
    for label, name in picks:
        if not isinstance(label, str) or not isinstance(name, str | None):
            raise missing("tool_choice.server_label")
    return frozenset((str(label), name) for label, name in picks)


def _tool_choice(wire: ToolChoiceObject | None, names: set[str], *, is_searched: bool, has_servers: bool) -> ToolChoice:
    """A tool that is named must be called; `allowed_tools` narrows the choice. A search is made in any case."""
    if wire is None or wire.type in ("auto", "none"):
        return ToolChoice("none" if wire and wire.type == "none" else "auto")
    if is_searched and (wire.type == "file_search" or (wire.type == "required" and not names)):
        return ToolChoice("auto")
    if wire.type not in ("required", "allowed_tools", "function", "custom", "mcp"):
        raise _unknown(wire.type, "tool_choice.type")
    if not names and not has_servers:
        raise InvalidRequest(
            "'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice", code="invalid_value"
        )
    if wire.type == "required":
        return ToolChoice("required")
    if wire.type == "mcp":
        return ToolChoice("required", frozenset())
    if wire.type == "allowed_tools":
        allowed = _allowed(wire.tools, names)
        if not allowed and is_searched and not _picks(wire):
            return ToolChoice("none")
        return ToolChoice(required(wire.mode, "tool_choice.mode"), frozenset(allowed))
    return ToolChoice("required", frozenset({_named(wire.name, "tool_choice.name", names)}))


def _allowed(tools: list[dict[str, Any]] | None, names: set[str]) -> list[str]:
    """Names of those that this server has; hosted ones that it lacks are ignored here as they are among the tools."""
    allowed = [
        _named(tool.get("name"), f"tool_choice.tools[{i}].name", names)
        for i, tool in enumerate(required(tools, "tool_choice.tools"))
        if tool.get("type") not in MISSING and tool.get("type") not in _HOSTED
    ]
    if not allowed and not any(tool.get("type") in _HOSTED for tool in tools or ()):
        raise InvalidRequest("'tool_choice.tools' allows no tool of this server.", param="tool_choice.tools")
    return allowed


def _named(name: Any, where: str, names: set[str]) -> str:
    if name is None:
        raise missing(where)
    if name not in names:
        raise InvalidRequest(
            f"Invalid value for '{where}': {shown(name)} is not among the tools.", param=where, code="invalid_value"
        )
    return str(name)

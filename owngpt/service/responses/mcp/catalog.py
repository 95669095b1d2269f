"""What an MCP server lists -> tools as a model is offered them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from owngpt.errors import ConnectorFailed, InvalidRequest
from owngpt.service.responses.items import Item
from owngpt.service.responses.mcp.servers import McpServer
from owngpt.text.rules import json_rule, problem_of
from owngpt.text.schema import enforceable
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Tool

MAX_NAME = 128  # characters of a name as the model is shown it
MAX_DEFINITION = 64 * 1024  # characters of one tool's definition
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def visible_name(label: str, name: str) -> str:
    """What a model calls the tool of a server. It depends on nothing else, so that conversations stay the same.

    A name that is too long, or has other characters, is rewritten, with a hash of what it was.
    """
    whole = f"{label}__{name}"
    if _PLAIN.fullmatch(name) and len(whole) <= MAX_NAME:
        return whole
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', whole)[: MAX_NAME - 9]}_{mark}"


def offered(server: McpServer, listed: Item, tokenizer: Tokenizer) -> list[tuple[Mapping[str, Any], Tool]]:
    """The tools of a server that the request allows, as they are listed and as the model is offered them.

    A schema that can be enforced is: the model's arguments conform to it. Another one is only shown. Raises
    `ConnectorFailed` that names the tool for what is no schema, and for names that come twice.
    """
    tools = [tool for tool in listed["tools"] if server.allowed.fits(tool)]
    _check_names(server, tools)
    return [(tool, _tool(server, tool, tokenizer)) for tool in tools]


def _tool(server: McpServer, tool: Mapping[str, Any], tokenizer: Tokenizer) -> Tool:
    schema = tool["input_schema"]
    if problem := _problem(tool, schema):
        raise _unusable(server, tool["name"], problem)
    about = "\n".join(text for text in (tool.get("description"), server.description) if text)
    name = visible_name(server.label, tool["name"])
    return Tool(name, about, schema, is_strict=_is_enforceable(schema, tokenizer))


def _problem(tool: Mapping[str, Any], schema: object) -> str:
    """Why a schema cannot even be shown; empty where it can."""
    if not isinstance(schema, Mapping) or schema.get("type", "object") != "object":
        return "its input schema does not describe an object"
    if not isinstance(schema.get("properties", {}), Mapping):
        return "the properties of its input schema are no object"
    if not all(isinstance(value, Mapping | bool) for value in schema.get("properties", {}).values()):
        return "a property of its input schema has no schema"
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        return "the required properties of its input schema are no list of names"
    size = len(json.dumps(tool))
    return f"its definition has {size} characters; at most {MAX_DEFINITION}" if size > MAX_DEFINITION else ""


def _is_enforceable(schema: Mapping[str, Any], tokenizer: Tokenizer) -> bool:
    try:
        return not problem_of(f"start: {json_rule(enforceable(schema, 'input_schema'))}", tokenizer)
    except InvalidRequest:
        return False


def _check_names(server: McpServer, tools: Sequence[Mapping[str, Any]]) -> None:
    seen: set[str] = set()
    for tool in tools:
        name = tool["name"]
        if not name or name in seen:
            raise _unusable(server, name, "its name comes twice" if name else "it has no name")
        seen.add(name)


def _unusable(server: McpServer, name: str, why: str) -> ConnectorFailed:
    return ConnectorFailed(
        f"The MCP server '{server.label}' lists the tool {name[:80]!r}, which cannot be used: {why}. Name the tools "
        "that you need in 'allowed_tools', or correct the server.",
        param=server.param,
    )

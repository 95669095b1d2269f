"""Requests that are kept until a background response is made: what they hold for MCP servers is sealed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from owngpt.service.responses.seal import Seal

SECRETS = ("server_url", "authorization", "headers")
_KIND = "mcp"


def sealed(body: bytes, seal: Seal) -> bytes:
    """The body of a request with `mcp` tools, as it may be written down: only this server can read their secrets."""
    return _changed(body, lambda value: seal.close(json.dumps(value), _KIND))


def unsealed(body: bytes, seal: Seal) -> bytes:
    """The body as it was sent."""
    return _changed(body, lambda value: json.loads(seal.open(value, _KIND)))


def _changed(body: bytes, change: Callable[[Any], Any]) -> bytes:
    document = json.loads(body)
    tools = document.get("tools") if isinstance(document, dict) else None
    servers = [tool for tool in tools or () if isinstance(tool, dict) and tool.get("type") == "mcp"]
    if not servers:
        return body
    for tool in servers:
        tool |= {name: change(tool[name]) for name in SECRETS if tool.get(name) is not None}
    return json.dumps(document).encode()

"""What MCP servers say, as text: cleaned, bounded, and told where something is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

MAX_OUTPUT = 200_000  # characters of what one call gives


def clean(document: Any) -> Any:
    """JSON values without characters that no database keeps."""
    if isinstance(document, str):
        return document.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(document, list):
        return [clean(item) for item in document]
    if isinstance(document, dict):
        return {clean(name): clean(value) for name, value in document.items()}
    return document


def text_of_blocks(blocks: Sequence[Mapping[str, Any]], structured: Any) -> str:
    """The content of a tool's result; where it has none, what it has as JSON. What is cut is told."""
    text = "\n".join(map(_block, blocks))
    if not blocks and structured is not None:
        text = json.dumps(structured, ensure_ascii=False)
    text = str(clean(text))
    if len(text) <= MAX_OUTPUT:
        return text
    return f"{text[:MAX_OUTPUT]}\n[Cut here: the first {MAX_OUTPUT} of {len(text)} characters are shown.]"


def _block(block: Mapping[str, Any]) -> str:
    """A piece of content; models here read text only, so of others there is a note."""
    match block.get("type"):
        case "text":
            return str(block.get("text", ""))
        case "resource_link":
            return f"[{block.get('name', 'resource')}: {block.get('uri', '')}]"
        case "resource":
            resource = block.get("resource") or {}
            return str(resource.get("text") or f"[{resource.get('mimeType', 'data')}: {resource.get('uri', '')}]")
        case kind:
            return f"[{kind} ({block.get('mimeType', 'unknown')}) left out: you read text only.]"

"""Schemas of a request: a string of a format is also allowed to be the placeholder of such a value.

So an answer can carry what it was not shown; when the value has taken its place, the caller's own schema holds again.
"""

from __future__ import annotations

from typing import Any

from owngpt.service.privacy.policy import Policy

_FORMATS = {"email": "EMAIL", "idn-email": "EMAIL", "ipv4": "IP_ADDRESS", "ipv6": "IP_ADDRESS", "date": "DATE_OF_BIRTH"}
_NOTES = ("title", "description", "default", "examples", "deprecated")
_HOLDERS = ("response_format", "tools", "text")  # fields of a request in which schemas stand


def with_placeholders(document: Any, policy: Policy) -> Any:
    """The body of a request, whose schemas admit placeholders of the types that the policy masks."""
    if not isinstance(document, dict):
        return document
    return {name: _opened(value, policy) if name in _HOLDERS else value for name, value in document.items()}


def _opened(value: Any, policy: Policy) -> Any:
    if isinstance(value, list):
        return [_opened(item, policy) for item in value]
    if not isinstance(value, dict):
        return value
    kind = _FORMATS.get(value.get("format", "")) if isinstance(value.get("format"), str) else None
    if kind is None or value.get("type") != "string" or policy.action(kind) != "mask":
        return {name: _opened(item, policy) for name, item in value.items()}
    notes = {name: item for name, item in value.items() if name in _NOTES}
    rule = {name: item for name, item in value.items() if name not in _NOTES}
    return {**notes, "anyOf": [rule, {"type": "string", "pattern": f"^<{kind}_[1-9][0-9]{{0,3}}>$"}]}

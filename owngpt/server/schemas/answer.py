"""What all answers share: their identity, and JSON as bytes."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from owngpt.types import Tier

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))


_LINE_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def encode(document: Any) -> bytes:
    """Compact JSON in UTF-8, on one line also for readers that break lines at Unicode's separators (as httpx does)."""
    text = _encoder.encode(document)
    return text.encode() if text.isascii() else text.translate(_LINE_BREAKS).encode()


@dataclass(frozen=True, slots=True)
class Identity:
    """What stands on each chunk of one answer."""

    id: str
    created: int  # Unix seconds
    model: str  # as the client named it, or the name of the model that was chosen for it
    fingerprint: str
    service_tier: str  # that serves it

    @classmethod
    def new(cls, prefix: str, model: str, fingerprint: str, tier: Tier) -> Identity:
        """Of an answer that begins now; `prefix` is chatcmpl or cmpl."""
        return cls(f"{prefix}-{secrets.token_hex(16)}", int(time.time()), model, fingerprint, tier.label)

    def fields(self, object_: str) -> dict[str, Any]:
        """The fields in front of `choices`."""
        return {
            "id": self.id,
            "object": object_,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "service_tier": self.service_tier,
        }


class ChunkFrame:
    """The constant parts of a stream's events; only the choice is encoded for each one."""

    def __init__(self, identity: Identity, object_: str, *, has_usage: bool) -> None:
        head = encode(identity.fields(object_))[:-1]
        self._head = b"data: " + head + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if has_usage else b"]}\n\n"

    def choice(self, choice: dict[str, Any]) -> bytes:
        """An event with one choice."""
        return self._head + encode(choice) + self._tail

    def usage(self, usage: dict[str, Any]) -> bytes:
        """The event that carries usage and no choice."""
        return self._head + b'],"usage":' + encode(usage) + b"}\n\n"

"""Fingerprint: what answers depend on beside the request, part by part. Its short form is `system_fingerprint`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The same on every machine that computes the same bits: no paths, no times, no number of threads."""

    weights: str  # SHA-256 of what config.json and the weight files hold
    dtype: str  # the number format that they are loaded in: fp32, bf16, int8, int4
    tokenizer: str  # SHA-256 of tokenizer.json and the special tokens
    template: str  # SHA-256 of the chat template
    numerics: str  # how the engine computes: number formats, instruction set, version of the arithmetic
    software: str  # owngpt and the libraries whose results reach an answer
    adapter: str | None = None  # SHA-256 of what is laid over the weights

    @property
    def id(self) -> str:
        """`fp_` and 12 hex digits."""
        return f"fp_{digest_of(asdict(self))[:12]}"


def canonical(document: Any) -> str:
    """A JSON value in its one canonical form: sorted keys, no spaces, ASCII."""
    return json.dumps(document, allow_nan=False, sort_keys=True, separators=(",", ":"))


def digest_of(document: Any) -> str:
    """SHA-256 of the canonical form, in hex."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()

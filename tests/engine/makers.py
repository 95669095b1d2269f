"""Requests for tests that need no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from owngpt.engine.request import Request
from owngpt.types import SamplingParams

NO_TEXT: Any = None  # these requests are never detokenized


def make_request(prompt: Sequence[int], max_tokens: int = 50, namespace: str | None = "", **sampling: Any) -> Request:
    return Request(
        token_ids=list(prompt),
        num_prompt_tokens=len(prompt),
        max_total_tokens=len(prompt) + max_tokens,
        sampling=SamplingParams(**sampling),
        detokenizer=NO_TEXT,
        thinking_detokenizer=NO_TEXT,
        namespace=namespace,
    )

"""What a response has cost, as it stands in the response."""

from __future__ import annotations

from typing import Any

from owngpt.types import Usage


def response_usage(usage: Usage) -> dict[str, Any]:
    """`ResponseUsage`: strict readers want all details."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }

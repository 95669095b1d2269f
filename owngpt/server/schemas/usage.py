"""Usage and logprobs on the wire."""

from __future__ import annotations

from typing import Any

from owngpt.types import TokenLogprob, Usage

MIN_LOGPROB = -9999.0  # JSON has no minus infinity; OpenAI sends this for tokens that cannot come


def usage_json(usage: Usage) -> dict[str, Any]:
    """`CompletionUsage`, with the details that its strict readers want."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": usage.accepted_prediction_tokens,
            "rejected_prediction_tokens": usage.rejected_prediction_tokens,
        },
    }


def chat_logprob(token: TokenLogprob) -> dict[str, Any]:
    """`ChatCompletionTokenLogprob`: `bytes` tells what `token` cannot when a token is part of a character."""
    return {**_entry(token), "top_logprobs": [_entry(other) for other in token.top]}


def _entry(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token_text(token), "logprob": finite(token.logprob), "bytes": list(token.token)}


def token_text(token: TokenLogprob) -> str:
    """A token as text; what is not whole characters is spelled in hex, as OpenAI does, so that tokens stay distinct."""
    try:
        return token.token.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.token)


def finite(logprob: float) -> float:
    """JSON has no infinities."""
    return max(logprob, MIN_LOGPROB)

"""Tokens and their log-probabilities as JSON: the same in chats, completions and responses."""

from __future__ import annotations

from typing import Any

from owngpt.types import TokenLogprob

MIN_LOGPROB = -9999.0  # JSON has no minus infinity; OpenAI sends this for tokens that cannot come


def logprob_json(token: TokenLogprob) -> dict[str, Any]:
    """A token and its alternatives: `bytes` tells what `token` cannot when a token is part of a character."""
    return {**_entry(token), "top_logprobs": [_entry(other) for other in token.top]}


def token_text(token: TokenLogprob) -> str:
    """A token as text; what is not whole characters is spelled in hex, as OpenAI does, so that tokens stay distinct."""
    try:
        return token.token.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.token)


def finite(logprob: float) -> float:
    """JSON has no infinities."""
    return max(logprob, MIN_LOGPROB)


def _entry(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token_text(token), "logprob": finite(token.logprob), "bytes": list(token.token)}

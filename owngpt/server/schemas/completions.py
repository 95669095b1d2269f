"""The body of POST /v1/completions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import invalid
from owngpt.server.schemas.sampling import (
    MAX_TOKENS,
    Logprobs,
    SamplingFields,
    check_stream_options,
    sampling_params,
)
from owngpt.service.models import ServedModel
from owngpt.types import SamplingParams

MAX_PROMPTS = 2048
MAX_CHOICES = 4096  # prompts times n
DEFAULT_MAX_TOKENS = 16

TextOrTokens = str | list[int]


def _inputs(value: Any) -> Any:
    """A string, token ids, or an array of either -> an array of either. Checked by hand: an array may be long."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise invalid("invalid_type", "expected a string, an array of strings, token ids, or an array of token ids.")
    if not value:
        raise invalid("empty_array", "empty array. Expected at least one input.")
    if _are_tokens(value):
        return [value]
    if len(value) > MAX_PROMPTS:
        raise invalid("array_above_max_length", f"{len(value)} inputs; this server takes at most {MAX_PROMPTS}.")
    for i, item in enumerate(value):
        if not isinstance(item, str) and not _are_tokens(item):
            raise invalid("invalid_type", f"element {i} is neither a string nor a non-empty array of token ids.")
    return value


def _are_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)


Inputs = Annotated[list[Any], BeforeValidator(_inputs)]


def check_tokens(inputs: list[TextOrTokens], vocab_size: int, param: str) -> None:
    """Raise `InvalidRequest` for token ids that the model does not have."""
    for tokens in inputs:
        if isinstance(tokens, list) and not (min(tokens) >= 0 and max(tokens) < vocab_size):
            bad = min(tokens) if min(tokens) < 0 else max(tokens)
            raise InvalidRequest(
                f"Invalid {param!r}: token id {bad} does not exist; this model has 0 to {vocab_size - 1}.",
                param=param,
                code="invalid_value",
            )


class CompletionRequest(SamplingFields):
    """What a client asks to be continued."""

    prompt: Inputs
    suffix: str | None = None
    max_tokens: int | None = Field(None, ge=0, le=MAX_TOKENS)
    best_of: int | None = Field(None, ge=0, le=20)
    echo: bool | None = None
    logprobs: int | None = Field(None, ge=0, le=20)  # OpenAI takes up to 5


def completion_sampling(request: CompletionRequest, model: ServedModel) -> SamplingParams:
    """Wire -> `SamplingParams`, with the model's defaults. Raises `InvalidRequest`."""
    limit = DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens
    logprobs = Logprobs(request.logprobs, request.logprobs if request.echo else None)
    return sampling_params(request, limit, logprobs, model.tokenizer.vocab_size, model.sampling)


def check_completion(request: CompletionRequest) -> None:
    """Raise `InvalidRequest` for combinations that cannot be honoured."""
    check_stream_options(request)
    n = request.n or 1
    if len(request.prompt) * n > MAX_CHOICES:
        raise InvalidRequest(
            f"{len(request.prompt)} prompts with n {n} are {len(request.prompt) * n} choices; "
            f"this server takes at most {MAX_CHOICES} in one request.",
            param="n",
        )
    if request.best_of not in (None, 0, n):
        raise InvalidRequest(
            f"Unsupported value for 'best_of': {request.best_of}; this server answers with every choice it makes, "
            f"so it must equal 'n' ({n}).",
            param="best_of",
            code="unsupported_value",
        )
    if request.suffix and request.echo:
        raise InvalidRequest("'echo' cannot be used with 'suffix'.", param="echo", code="unsupported_value")

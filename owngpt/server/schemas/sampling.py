"""Fields that Chat Completions and Completions share, and their way into `SamplingParams`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import BeforeValidator, Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import Few, WireModel, shown
from owngpt.types import SamplingParams

MAX_STOPS, MAX_STOP_LENGTH = 16, 1024  # OpenAI takes 4
MAX_TOKENS = 2**31 - 1
INT64 = 2**63
N = TypeVar("N", int, float)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Stop = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MAX_STOP_LENGTH)]],
    Field(max_length=MAX_STOPS, fail_fast=True),
    BeforeValidator(_listed),
]


ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast"]


class StreamOptions(WireModel):
    """How a stream is written."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None  # a hint: this server's chunks are never padded


class SamplingFields(WireModel):
    """How tokens are chosen, and how the answer comes. The second block is not OpenAI's; vLLM has the same names."""

    model: str | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, ge=-INT64, lt=INT64)
    stop: Stop | None = None
    logit_bias: Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], Few] | None = None
    max_tokens: int | None = Field(None, le=MAX_TOKENS)
    n: int | None = Field(None, ge=1, le=128)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = None
    user: str | None = None
    service_tier: ServiceTier | None = None

    top_k: int | None = Field(None, ge=-1, le=MAX_TOKENS)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, ge=0.01, le=10)
    ignore_eos: bool | None = None
    stop_token_ids: list[Annotated[int, Field(ge=0)]] | None = Field(None, max_length=256, fail_fast=True)


class Logprobs(NamedTuple):
    """How many alternatives to report; None is no logprobs at all."""

    completion: int | None = None
    prompt: int | None = None


def sampling_params(
    fields: SamplingFields, max_tokens: int | None, logprobs: Logprobs, vocab_size: int, default: SamplingParams
) -> SamplingParams:
    """Wire -> `SamplingParams`; null means the model's default. `InvalidRequest` for token ids that do not exist."""
    return SamplingParams(
        temperature=_or(fields.temperature, default.temperature),
        top_p=_or(fields.top_p, default.top_p),
        top_k=max(0, _or(fields.top_k, default.top_k)),
        min_p=_or(fields.min_p, default.min_p),
        presence_penalty=fields.presence_penalty or 0.0,
        frequency_penalty=fields.frequency_penalty or 0.0,
        repetition_penalty=_or(fields.repetition_penalty, default.repetition_penalty),
        logit_bias={_token(key, vocab_size): bias for key, bias in (fields.logit_bias or {}).items()},
        seed=fields.seed,
        stop=tuple(fields.stop or ()),
        stop_token_ids=tuple(fields.stop_token_ids or ()),
        ignore_eos=bool(fields.ignore_eos),
        max_tokens=max_tokens,
        n=fields.n or 1,
        logprobs=logprobs.completion,
        prompt_logprobs=logprobs.prompt,
    )


def check_stream_options(fields: SamplingFields) -> None:
    """`stream_options` makes sense only for streams."""
    if fields.stream_options is not None and not fields.stream:
        raise InvalidRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )


def wants_usage(fields: SamplingFields) -> bool:
    """Whether a stream ends with a chunk that carries usage."""
    return bool(fields.stream_options and fields.stream_options.include_usage)


def _or(value: N | None, default: N) -> N:
    return default if value is None else value


def _token(key: str, vocab_size: int) -> int:
    if key.isascii() and key.isdigit() and len(key) < 10 and int(key) < vocab_size:
        return int(key)
    raise InvalidRequest(
        f"Invalid key in 'logit_bias': {shown(key)} is not a token id of this model (0 to {vocab_size - 1}).",
        param="logit_bias",
        code="invalid_value",
    )

"""The body of POST /v1/fim/completions, and its answers: Mistral's shapes, which Continue and others speak."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.answer import ChunkFrame, Identity, encode
from owngpt.server.schemas.base import WireModel
from owngpt.server.schemas.sampling import INT64, MAX_TOKENS, Logprobs, SamplingFields, sampling_params
from owngpt.server.schemas.usage import usage_json
from owngpt.service.fim.gap import Gap
from owngpt.service.fim.offers import Offer
from owngpt.service.fim.prompt import MAX_CONTEXT_TOKENS, REPOSITORY, FimPrompt, Fitted, Snippet
from owngpt.service.models import ServedModel
from owngpt.types import SamplingParams, Usage

ID_PREFIX = "fim"  # of answers
MAX_SNIPPETS = 64
LINE_TOKENS, BLOCK_TOKENS = 64, 256  # where a request does not say how many


class ContextFile(WireModel):
    """Another file of the repository, or a part of one."""

    path: str = Field(min_length=1, max_length=1024)
    text: str


class FimRequest(SamplingFields):
    """What a client asks to be filled in. The last block is not Mistral's."""

    prompt: str
    suffix: str | None = None
    max_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    max_completion_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    min_tokens: int | None = Field(None, ge=0, le=MAX_TOKENS)
    random_seed: int | None = Field(None, ge=-INT64, lt=INT64)

    mode: Literal["auto", "line", "block", "raw"] | None = None
    path: str | None = Field(None, min_length=1, max_length=1024)
    repository: str | None = Field(None, min_length=1, max_length=256)
    context: list[ContextFile] | None = Field(None, max_length=MAX_SNIPPETS)
    max_context_tokens: int | None = Field(None, ge=0, le=MAX_TOKENS)
    truncation: Literal["auto", "disabled"] | None = None


def check_fim(request: FimRequest) -> None:
    """Raise `InvalidRequest` for what cannot be honoured."""
    for name, value, allowed in (("n", request.n, 1), ("min_tokens", request.min_tokens, 0)):
        if value not in (None, allowed):
            raise InvalidRequest(
                f"Unsupported value for {name!r}: {value}. A gap is filled once, until the code ends: send {allowed}.",
                param=name,
                code="unsupported_value",
            )
    if request.stream_options is not None and not request.stream:
        raise InvalidRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    for first, second in (("max_tokens", "max_completion_tokens"), ("random_seed", "seed")):
        both = (getattr(request, first), getattr(request, second))
        if None not in both and both[0] != both[1]:
            raise InvalidRequest(f"{first!r} and {second!r} say different things: send one of them.", param=second)


def fim_sampling(request: FimRequest, model: ServedModel) -> SamplingParams:
    """Wire -> `SamplingParams`: greedy where nothing is said, so that an offer stays the same while it is looked at."""
    default = LINE_TOKENS if request.mode == "line" else BLOCK_TOKENS
    limit = request.max_tokens or request.max_completion_tokens or default
    seed = request.seed if request.random_seed is None else request.random_seed
    fields = request.model_copy(update={"seed": seed})
    return sampling_params(fields, limit, Logprobs(), model.tokenizer.vocab_size, SamplingParams(temperature=0.0))


def to_prompt(request: FimRequest) -> FimPrompt:
    """Wire -> what the service works on."""
    gap = Gap.of(request.prompt, request.suffix or "", request.path)
    others = [Snippet(each.path, each.text) for each in request.context or ()]
    room = MAX_CONTEXT_TOKENS if request.max_context_tokens is None else request.max_context_tokens
    return FimPrompt(gap, others, request.repository or REPOSITORY, room, request.truncation != "disabled")


def fitted_json(fitted: Fitted) -> dict[str, Any]:
    """What of the request a prompt had room for."""
    return {
        "included": list(fitted.included),
        "omitted": list(fitted.omitted),
        "omitted_prompt_characters": fitted.num_prefix_characters,
        "omitted_suffix_characters": fitted.num_suffix_characters,
    }


class FimStream:
    """Turns offers into chunks. Each has one choice whose delta has content: Continue reads it without looking."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._frame = ChunkFrame(identity, "chat.completion.chunk", has_usage=False)

    def first(self) -> bytes:
        """The chunk that says who speaks."""
        return self._frame.choice(_choice({"role": "assistant", "content": ""}, None))

    def add(self, offer: Offer) -> bytes:
        """The chunk of one offer; empty where there is nothing to show."""
        return self._frame.choice(_choice({"content": offer.text}, None)) if offer.text else b""

    def last(self, offer: Offer, usage: Usage, fitted: Fitted) -> bytes:
        """The chunk that ends it, with usage, as Mistral has it."""
        document = {
            **self._identity.fields("chat.completion.chunk"),
            "choices": [_choice({"content": offer.text}, offer.finish_reason)],
            "usage": usage_json(usage),
            "context": fitted_json(fitted),
        }
        return b"data: " + encode(document) + b"\n\n"


def fim_document(identity: Identity, text: str, finish_reason: str | None, usage: Usage, fitted: Fitted) -> bytes:
    """The whole answer."""
    message = {"role": "assistant", "content": text, "tool_calls": None}
    return encode(
        {
            **identity.fields("chat.completion"),
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
            "usage": usage_json(usage),
            "context": fitted_json(fitted),
        }
    )


def _choice(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}

"""Texts -> vectors, from a validated request to recorded usage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from owngpt.errors import InvalidRequest
from owngpt.service.app import App, Caller
from owngpt.service.models import ServedEmbedder
from owngpt.service.privacy import Guard
from owngpt.service.trace import trace
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Usage

MAX_TOTAL_TOKENS = 300_000  # of all inputs of one request, as OpenAI has it


class Embeddings(NamedTuple):
    """One unit-length vector per input, in order."""

    vectors: list[list[float]]
    usage: Usage


async def embed(
    app: App,
    caller: Caller,
    model: ServedEmbedder,
    inputs: Sequence[str | Sequence[int]],
    dimensions: int | None = None,
    *,
    guard: Guard | None = None,
    named: str | None = None,
    request_id: str = "",
) -> Embeddings:
    """Vectors of all inputs; their tokens count when the vectors are there. The caller names the model `named`.

    The inputs have passed the `guard`, where the project's privacy policy demands one.

    Raises `InvalidRequest` for inputs that are empty or too long, and for more dimensions than there are.
    """
    app.privacy.check(caller, guard)
    full = model.embedder.dimensions
    if dimensions is not None and dimensions > full:
        raise InvalidRequest(
            f"'dimensions' is {dimensions}; the vectors of {model.name!r} have {full}.", param="dimensions"
        )
    await app.limits.refresh(caller)
    with (
        app.limits.admit("embeddings", model.name, caller=caller, named=named, request_id=request_id) as ticket,
        trace(app.tracer, "embeddings", model.name, ticket),
    ):
        ids = await app.workers.run(sum(map(len, inputs)), tokenize, model.tokenizer, inputs)
        num_tokens = check_lengths(ids, model.embedder.max_input_tokens)
        ticket.expect(num_tokens)
        vectors = await model.embedder.embed(ids)
        ticket.count_prompt(num_tokens)
        return Embeddings([shorten(vector, dimensions or full) for vector in vectors], ticket.usage)


def tokenize(tokenizer: Tokenizer, inputs: Sequence[str | Sequence[int]]) -> list[list[int]]:
    """Ids of each input, with the special tokens that encoders want; given ids get them unless they have them."""
    frame = tokenizer.encode("", add_special_tokens=True)
    first, last = frame[: len(frame) // 2], frame[len(frame) // 2 :]
    encoded = []
    for item in inputs:
        if isinstance(item, str):
            encoded.append(tokenizer.encode(item, add_special_tokens=True))
        else:
            is_framed = bool(first) and list(item[: len(first)]) == first
            encoded.append(list(item) if is_framed else [*first, *item, *last])
    return encoded


def check_lengths(ids: Sequence[Sequence[int]], limit: int) -> int:
    """The number of tokens of all inputs. Nothing is truncated: what is too long is refused by its number."""
    for i, tokens in enumerate(ids):
        if len(tokens) > limit:
            raise InvalidRequest(
                f"This model's maximum context length is {limit} tokens; input[{i}] has {len(tokens)}. Shorten it.",
                param="input",
                code="context_length_exceeded",
            )
    total = sum(map(len, ids))
    if total > MAX_TOTAL_TOKENS:
        raise InvalidRequest(
            f"The inputs have {total} tokens; one request takes {MAX_TOTAL_TOKENS}. Send several.", param="input"
        )
    return total


def shorten(vector: list[float], dimensions: int) -> list[float]:
    """The first dimensions, at unit length again (Matryoshka representation learning, Kusupati et al., 2022)."""
    if dimensions == len(vector):
        return vector
    norm = math.sqrt(math.fsum(x * x for x in vector[:dimensions])) or 1.0
    return [x / norm for x in vector[:dimensions]]

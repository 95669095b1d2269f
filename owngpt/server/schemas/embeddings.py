"""POST /v1/embeddings: the body, and the answer."""

from __future__ import annotations

import base64
from array import array
from sys import byteorder
from typing import Any, Literal

from pydantic import Field

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.answer import encode
from owngpt.server.schemas.base import WireModel
from owngpt.server.schemas.completions import Inputs
from owngpt.service.embeddings import Embeddings


class EmbeddingRequest(WireModel):
    """Texts (or their token ids) to be turned into vectors."""

    input: Inputs
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(None, ge=1)
    user: str | None = None


def check_embedding(request: EmbeddingRequest) -> None:
    """Raise `InvalidRequest` for an empty text: it has no meaning that a vector could hold."""
    if "" in request.input:
        raise InvalidRequest(
            f"'input[{request.input.index('')}]' cannot be an empty string.", param="input", code="invalid_value"
        )


def embeddings_answer(model: str, result: Embeddings, encoding_format: str | None) -> bytes:
    """The whole answer; runs in a worker thread when it is long."""
    write = _base64 if encoding_format == "base64" else _same
    data = [{"object": "embedding", "index": i, "embedding": write(vector)} for i, vector in enumerate(result.vectors)]
    usage = {"prompt_tokens": result.usage.prompt_tokens, "total_tokens": result.usage.total_tokens}
    return encode({"object": "list", "data": data, "model": model, "usage": usage})


def _same(vector: list[float]) -> Any:
    return vector


def _base64(vector: list[float]) -> str:
    """Little-endian float32, as OpenAI sends it."""
    values = array("f", vector)
    if byteorder == "big":
        values.byteswap()
    return base64.b64encode(values.tobytes()).decode("ascii")

"""POST /v1/embeddings."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from owngpt.server.routes.reply import (
    app_of,
    caller_of,
    guard_of,
    ignored_header,
    masked_ids,
    models_of,
    reply,
    request_id,
)
from owngpt.server.schemas.base import unknown_fields
from owngpt.server.schemas.completions import check_tokens
from owngpt.server.schemas.embeddings import EmbeddingRequest, check_embedding, embeddings_answer
from owngpt.server.stream import WholeAnswer
from owngpt.service.embeddings import embed


async def create_embedding(request: Request) -> Response:
    """Vectors of texts or token ids, as numbers or base64."""
    return await reply(request, EmbeddingRequest, respond)


def respond(request: Request, body: EmbeddingRequest) -> Response:
    """The response, whose work has not begun."""
    check_embedding(body)
    app = app_of(request)
    model = models_of(request).embedder(body.model)
    check_tokens(body.input, model.tokenizer.vocab_size, "input")
    body.input = masked_ids(request, body.input, model.tokenizer, "input")

    async def answer() -> bytes:
        result = await embed(
            app,
            caller_of(request),
            model,
            body.input,
            body.dimensions,
            guard=guard_of(request),
            named=body.model,
            request_id=request_id(request),
        )
        size = len(result.vectors) * len(result.vectors[0])
        return await app.workers.run(size, embeddings_answer, body.model or model.name, result, body.encoding_format)

    return WholeAnswer(answer, ignored_header(unknown_fields(body)))

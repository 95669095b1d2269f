"""/v1/models and /v1/models/{id}: what is served, by name and alias."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from owngpt.errors import PermissionDenied
from owngpt.server.routes.reply import models_of
from owngpt.service.models import ServedEmbedder, ServedModel


async def list_models(request: Request) -> Response:
    """All names."""
    data = [_model(name, model) for name, model in models_of(request).listing()]
    return JSONResponse({"object": "list", "data": data})


async def retrieve_model(request: Request) -> Response:
    """One of them; names may contain slashes."""
    name = request.path_params["model"]
    return JSONResponse(_model(name, models_of(request).get(name)))


async def delete_model(request: Request) -> Response:
    """Refused: models are the operator's. Raises `NotFound` for one that is not served, else `PermissionDenied`."""
    name = request.path_params["model"]
    models_of(request).get(name)
    raise PermissionDenied(
        f"The model {name!r} cannot be deleted over the API: whoever starts the server says which models it serves "
        "(`owngpt serve MODEL ...`)."
    )


def _model(name: str, model: ServedModel | ServedEmbedder) -> dict[str, Any]:
    """OpenAI's four fields, and three more: `root` and `max_model_len` as vLLM has them, and what it can do."""
    is_generative = isinstance(model, ServedModel)
    limit = model.engine.max_model_len if isinstance(model, ServedModel) else model.embedder.max_input_tokens
    return {
        "id": name,
        "object": "model",
        "created": model.created,
        "owned_by": "owngpt",
        "root": model.name,
        "max_model_len": limit,
        "capabilities": {"chat": is_generative, "completions": is_generative, "embeddings": not is_generative},
    }

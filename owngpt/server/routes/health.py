"""GET /health (the process answers) and /ready (it takes requests). Open to all; they hold no data."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from owngpt.errors import ServiceUnavailable
from owngpt.server.routes.reply import app_of


async def health(request: Request) -> Response:
    """The process is alive."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """The models are loaded, their engines live, and the server is not about to stop; 503 otherwise."""
    if (obstacle := app_of(request).obstacle) is not None:
        raise ServiceUnavailable(obstacle)
    return JSONResponse({"status": "ready"})

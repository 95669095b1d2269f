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
    """The models are loaded and the server is not about to stop; 503 otherwise."""
    app = app_of(request)
    if app.limits.is_draining:
        raise ServiceUnavailable("the server is about to stop")
    if app.loaded is None:
        raise ServiceUnavailable("the models are still loading")
    return JSONResponse({"status": "ready"})

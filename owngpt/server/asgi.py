"""The HTTP side as one ASGI application: routes, and the order in which a request passes the layers."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from owngpt.server.auth import AuthMiddleware, is_public
from owngpt.server.console import console_routes
from owngpt.server.errors import ErrorMiddleware, on_http_exception
from owngpt.server.inside import InsideCalls
from owngpt.server.metrics import MetricsMiddleware, PrometheusMetrics
from owngpt.server.middleware import (
    BodyLimitMiddleware,
    CrossOriginMiddleware,
    DrainMiddleware,
    HeadersMiddleware,
    body_limits,
)
from owngpt.server.routes import (
    batches,
    conversations,
    files,
    organization,
    responses,
    responses_socket,
    search,
    stored_chat,
    uploads,
    vector_stores,
)
from owngpt.server.routes.chat_completions import create_chat_completion
from owngpt.server.routes.completions import create_completion
from owngpt.server.routes.embeddings import create_embedding
from owngpt.server.routes.fim import create_fim_completion
from owngpt.server.routes.health import health, ready
from owngpt.server.routes.metrics import metrics
from owngpt.server.routes.models import delete_model, list_models, retrieve_model
from owngpt.server.scopes import guarded
from owngpt.server.tracing import OpenTelemetryTracer, TraceContextMiddleware
from owngpt.service.app import App
from owngpt.service.batches import BatchRunner
from owngpt.service.organization.door import Door
from owngpt.service.responses.background import BackgroundResponses

ROUTES = (
    Route("/v1/chat/completions", create_chat_completion, methods=["POST"]),
    Route("/v1/completions", create_completion, methods=["POST"]),
    Route("/v1/fim/completions", create_fim_completion, methods=["POST"]),
    Route("/v1/embeddings", create_embedding, methods=["POST"]),
    Route("/v1/models", list_models, methods=["GET"]),
    Route("/v1/models/{model:path}", retrieve_model, methods=["GET"]),
    Route("/v1/models/{model:path}", delete_model, methods=["DELETE"]),
    Route("/health", health, methods=["GET"]),
    Route("/ready", ready, methods=["GET"]),
    Route("/metrics", metrics, methods=["GET"]),
    *files.ROUTES,
    *uploads.ROUTES,
    *batches.ROUTES,
    *responses.ROUTES,
    *responses_socket.ROUTES,
    *stored_chat.ROUTES,
    *conversations.ROUTES,
    *vector_stores.ROUTES,
    *search.ROUTES,
    *organization.ROUTES,
)


def create_app(app: App) -> Starlette:
    """The application for an `App`, which the caller opens and closes."""
    server = Starlette(
        routes=[*guarded(ROUTES), *console_routes()],
        middleware=_layers(app),
        exception_handlers={HTTPException: on_http_exception},
    )
    server.state.app = app
    server.router.redirect_slashes = False
    _run_batches(app, server)
    _run_responses(app)
    return server


def _run_batches(app: App, server: Starlette) -> None:
    """By calls of this application's routes; where the App has had another one before, that takes over."""
    calls = InsideCalls(server)
    for work in app.background:
        if isinstance(work, BatchRunner):
            work.call = calls
            return
    app.background.append(BatchRunner(app, calls, max(1, app.settings.engine.max_running // 4)))


def _run_responses(app: App) -> None:
    """Background responses: what makes them has to know how to read their requests."""
    if not any(isinstance(work, BackgroundResponses) for work in app.background):
        at_once = max(1, app.settings.engine.max_running // 2)
        app.background.append(BackgroundResponses(app, responses.revive, at_once))


def _layers(app: App) -> list[Middleware]:
    """Outermost first: the id and headers stand on every answer, errors included; nothing is read without a key."""
    layers = [
        Middleware(HeadersMiddleware, room=lambda: app.limits.room),
        Middleware(ErrorMiddleware),
        Middleware(DrainMiddleware, is_draining=lambda: app.limits.is_draining, is_exempt=is_public),
        Middleware(AuthMiddleware, door=Door(app.keys, app.database)),
        Middleware(BodyLimitMiddleware, limit=body_limits(app.settings.server)),
    ]
    if app.settings.server.cors_origins:
        layers.insert(1, Middleware(CrossOriginMiddleware, origins=app.settings.server.cors_origins))
    if isinstance(app.tracer, OpenTelemetryTracer):
        layers.insert(1, Middleware(TraceContextMiddleware))
    if isinstance(app.metrics, PrometheusMetrics):
        layers.insert(1, Middleware(MetricsMiddleware, metrics=app.metrics))
    return layers

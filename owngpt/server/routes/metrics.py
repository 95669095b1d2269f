"""GET /metrics: for Prometheus. Needs a key, like all that says what people do here."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from owngpt.errors import NotFound
from owngpt.server.metrics import CONTENT_TYPE, PrometheusMetrics
from owngpt.server.routes.reply import app_of


async def metrics(request: Request) -> Response:
    """All counters as text."""
    counters = app_of(request).metrics
    if not isinstance(counters, PrometheusMetrics):
        raise NotFound("this server keeps no metrics")
    return Response(counters.render(), headers={"content-type": CONTENT_TYPE})

"""Traces to an OpenTelemetry collector, with the names of the GenAI conventions. Never what anybody wrote.

Needs the extra `owngpt[otel]`; nothing here is imported unless `otel_endpoint` is set.
Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from owngpt import __version__
from owngpt.errors import ConfigError
from owngpt.service.telemetry import Attribute

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class OpenTelemetryTracer:
    """Exports spans in batches, from a thread of its own, as OTLP over HTTP: `service.telemetry.Tracer`.

    `endpoint` is the collector's base URL (`http://localhost:4318`). Raises `ConfigError` if the extra is missing.
    """

    def __init__(self, endpoint: str) -> None:
        if importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is None:
            raise ConfigError("otel_endpoint needs OpenTelemetry; install it with: pip install 'owngpt[otel]'")
        if not endpoint.startswith(("http://", "https://")):
            raise ConfigError(f"otel_endpoint is {endpoint!r}; it must be an http:// or https:// URL")
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create({"service.name": "owngpt", "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("owngpt", __version__)

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Attribute]) -> Iterator[Span]:
        """A span for the time of the block. An exception marks it as failed, by its type only: messages quote input."""
        from opentelemetry.trace import SpanKind, Status, StatusCode

        span = self._tracer.start_span(name, kind=SpanKind.SERVER, attributes=dict(attributes))
        try:
            yield span
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            span.end()

    def close(self) -> None:
        """Send what is still here, for a few seconds at most."""
        self._provider.force_flush(timeout_millis=3000)
        self._provider.shutdown()


class TraceContextMiddleware:
    """Spans of a request become part of the caller's trace, where its `traceparent` header names one (W3C)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from opentelemetry import context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
        token = context.attach(TraceContextTextMapPropagator().extract(headers))
        try:
            await self.app(scope, receive, send)
        finally:
            context.detach(token)

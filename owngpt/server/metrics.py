"""What Prometheus reads from /metrics. Label values come from our own small sets, never from a caller.

Times are in seconds. Each `App` has its own registry, so several can live in one process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from owngpt.service.metering import Meter
from owngpt.service.models import Models
from owngpt.service.telemetry import RequestRecord

CONTENT_TYPE = CONTENT_TYPE_LATEST
CLIENT_LEFT = 499  # as nginx has it: the client hung up before there was an answer
_KIND = ("operation", "model")
_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_TOKEN_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5)
_ENGINE_GAUGES = {
    "num_running": ("engine_running", "Choices that decode"),
    "num_waiting": ("engine_waiting", "Choices in the queue"),
    "num_blocks": ("engine_kv_blocks", "KV blocks"),
    "disk_bytes": ("engine_kv_disk_bytes", "Bytes of prefixes on disk"),
    "num_free_blocks": ("engine_kv_blocks_free", "KV blocks that are free or only cached"),
}
_ENGINE_COUNTERS = {
    "prompt_tokens": ("engine_prompt_tokens", "Prompt tokens, cached ones included"),
    "cached_tokens": ("engine_cached_tokens", "Prompt tokens from the prefix cache"),
    "restored_tokens": ("engine_restored_tokens", "Prompt tokens that came back from disk"),
    "generated_tokens": ("engine_generated_tokens", "Tokens sampled"),
    "preemptions": ("engine_preemptions", "Choices put back into the queue for lack of blocks"),
    "steps": ("engine_steps", "Steps of the engine"),
    "step_seconds": ("engine_step_seconds", "Time spent in steps"),
    "drafted_tokens": ("engine_drafted_tokens", "Tokens guessed ahead"),
    "accepted_tokens": ("engine_accepted_tokens", "Tokens guessed ahead that came true"),
}


class PrometheusMetrics:
    """The counters of one `App`: `service.telemetry.Metrics`, and what the HTTP layer sees."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.http_requests = self._counter("http_requests", "HTTP requests answered", "route", "status")
        self.http_seconds = self._histogram("http_request_seconds", "Until the last byte", _REQUEST_BUCKETS, "route")
        running = Gauge("owngpt_requests_running", "Admitted and not ended", _KIND, registry=self._registry)
        self._running = cache(running.labels)
        self._requests = self._counter("requests", "Requests that ended", *_KIND, "outcome")
        self._seconds = self._histogram("request_seconds", "Admission to end", _REQUEST_BUCKETS, *_KIND)
        self._first_token = self._histogram(
            "time_to_first_token_seconds", "Admission to first token", _REQUEST_BUCKETS, "model"
        )
        self._inter_token = self._histogram(
            "inter_token_seconds", "Mean gap between a request's tokens", _TOKEN_BUCKETS, "model"
        )
        self._prompt = self._counter("prompt_tokens", "Tokens read", "model")
        self._cached = self._counter("cached_tokens", "Prompt tokens found in the prefix cache", "model")
        self._written = self._counter("cache_write_tokens", "Prompt tokens written to the prefix cache", "model")
        self._completion = self._counter("completion_tokens", "Tokens generated", "model")
        self._reasoning = self._counter("reasoning_tokens", "Generated tokens that were thinking", "model")

    def request_started(self, operation: str, model: str) -> None:
        self._running(operation, model).inc()

    def request_finished(self, record: RequestRecord) -> None:
        self._running(record.operation, record.model).dec()
        self._requests(record.operation, record.model, record.outcome).inc()
        self._seconds(record.operation, record.model).observe(record.seconds)
        self._prompt(record.model).inc(record.usage.prompt_tokens)
        self._cached(record.model).inc(record.usage.cached_tokens)
        self._written(record.model).inc(record.usage.cache_write_tokens)
        self._completion(record.model).inc(record.usage.completion_tokens)
        self._reasoning(record.model).inc(record.usage.reasoning_tokens)
        if record.first_token_seconds is not None:
            self._first_token(record.model).observe(record.first_token_seconds)
            if (gaps := record.usage.completion_tokens - 1) > 0:
                generating = record.seconds - record.first_token_seconds
                self._inter_token(record.model).observe(generating / gaps)

    def watch(self, models: Models) -> None:
        """From now on also read the engines' gauges, at each scrape. Call it once."""
        self._registry.register(_Engines(models))

    def watch_usage(self, meter: Meter) -> None:
        """Likewise the meter's. Call it once."""
        self._registry.register(_Usage(meter))

    def render(self) -> bytes:
        """The text that Prometheus scrapes, in the format of `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def _counter(self, name: str, help_text: str, *labels: str) -> Callable[..., Counter]:
        """Label values -> their counter; looked up once, for the library does it slowly."""
        return cache(Counter(f"owngpt_{name}", help_text, labels, registry=self._registry).labels)

    def _histogram(
        self, name: str, help_text: str, buckets: tuple[float, ...], *labels: str
    ) -> Callable[..., Histogram]:
        """Likewise."""
        return cache(Histogram(f"owngpt_{name}", help_text, labels, buckets=buckets, registry=self._registry).labels)


class _Engines(Collector):
    """Reads `EngineStats` of every generative model."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def collect(self) -> Iterator[Metric]:
        readings = {model.name: model.engine.stats() for model in self._models.generative}
        kinds = ((_ENGINE_GAUGES, GaugeMetricFamily), (_ENGINE_COUNTERS, CounterMetricFamily))
        for table, family_type in kinds:
            for attribute, (name, help_text) in table.items():
                family = family_type(f"owngpt_{name}", help_text, labels=["model"])
                for model, stats in readings.items():
                    family.add_metric([model], getattr(stats, attribute))
                yield family
        yield from _by_tier({(model, tier): v for model, stats in readings.items() for tier, v in stats.tiers.items()})


class _Usage(Collector):
    """Reads how the usage of requests finds its way into the database."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def collect(self) -> Iterator[Metric]:
        meter, writer = self._meter, self._meter.writer
        counters = {
            "usage_events_written": ("Requests whose usage is in the database", writer.num_written),
            "usage_events_recovered": ("Requests of killed servers that were counted", meter.num_recovered),
            "usage_write_failures": ("Times that usage could not be written, to be tried again", writer.num_failed),
            "spend_alerts": ("Spend alerts that were triggered", writer.num_alerts),
        }
        for name, (help_text, value) in counters.items():
            yield CounterMetricFamily(f"owngpt_{name}", help_text, value=value)
        waiting = "Requests that have ended and whose usage is in the journal alone"
        yield GaugeMetricFamily("owngpt_usage_events_waiting", waiting, value=writer.num_waiting)


def _by_tier(readings: Mapping[tuple[str, str], tuple[int, int, float]]) -> Iterator[Metric]:
    """Choices that wait, that have been admitted, and the seconds that these had waited; by model and tier."""
    waiting = GaugeMetricFamily(
        "owngpt_engine_tier_waiting", "Choices in the queue, by service tier", labels=["model", "tier"]
    )
    waited = SummaryMetricFamily(
        "owngpt_engine_tier_wait_seconds", "From arrival to admission, by service tier", labels=["model", "tier"]
    )
    for labels, (num_waiting, num_admitted, seconds) in readings.items():
        waiting.add_metric(labels, num_waiting)
        waited.add_metric(labels, num_admitted, seconds)
    yield from (waiting, waited)


class MetricsMiddleware:
    """Counts every HTTP answer by the template of its route; what no route matched is `other`."""

    def __init__(self, app: ASGIApp, metrics: PrometheusMetrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), CLIENT_LEFT

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.http_requests(route, str(status)).inc()
            self._metrics.http_seconds(route).observe(time.perf_counter() - start)

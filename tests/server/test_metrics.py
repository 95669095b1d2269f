from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from owngpt.engine.client import EngineStats, TierStats
from owngpt.server.metrics import MetricsMiddleware, PrometheusMetrics
from owngpt.service.models import Models
from owngpt.service.telemetry import RequestRecord
from owngpt.types import Usage


def read(metrics: PrometheusMetrics) -> dict[tuple[str, ...], float]:
    """Samples as Prometheus parses them: (name, values of its labels in the order of their names) -> value."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


@dataclass
class Engine:
    running: int = 0

    def stats(self) -> EngineStats:
        return EngineStats(
            num_running=self.running,
            num_waiting=2,
            num_blocks=100,
            num_free_blocks=40,
            prompt_tokens=1000,
            cached_tokens=600,
            generated_tokens=50,
            preemptions=1,
            steps=60,
            step_seconds=1.5,
            tiers={"flex": TierStats(num_waiting=2, num_admitted=4, wait_seconds=6.0)},
            restored_tokens=300,
            disk_bytes=2**30,
            drafted_tokens=9,
            accepted_tokens=8,
        )


def models_with(name: str, engine: Engine) -> Models:
    return cast(Models, SimpleNamespace(generative=[SimpleNamespace(name=name, engine=engine)]))


def test_a_request_is_counted() -> None:
    metrics = PrometheusMetrics()
    metrics.request_started("chat", "garlic")
    assert read(metrics)["owngpt_requests_running", "garlic", "chat"] == 1
    usage = Usage(prompt_tokens=100, completion_tokens=11, cached_tokens=64, cache_write_tokens=32, reasoning_tokens=5)
    metrics.request_finished(RequestRecord("chat", "garlic", "stop", usage, seconds=1.2, first_token_seconds=0.2))
    samples = read(metrics)
    assert samples["owngpt_requests_running", "garlic", "chat"] == 0
    assert samples["owngpt_requests_total", "garlic", "chat", "stop"] == 1
    assert samples["owngpt_request_seconds_sum", "garlic", "chat"] == 1.2
    assert samples["owngpt_time_to_first_token_seconds_sum", "garlic"] == 0.2
    assert samples["owngpt_inter_token_seconds_sum", "garlic"] == pytest.approx(0.1)
    tokens = [
        samples[f"owngpt_{kind}_tokens_total", "garlic"]
        for kind in ("prompt", "cached", "cache_write", "completion", "reasoning")
    ]
    assert tokens == [100, 64, 32, 11, 5]


def test_a_request_without_tokens_has_no_token_times() -> None:
    metrics = PrometheusMetrics()
    metrics.request_started("embeddings", "minilm")
    metrics.request_finished(RequestRecord("embeddings", "minilm", "rejected", Usage(), seconds=0.1))
    assert not [key for key in read(metrics) if key[0] == "owngpt_time_to_first_token_seconds_count"]


def test_engines_are_read_at_each_scrape() -> None:
    metrics, engine = PrometheusMetrics(), Engine()
    metrics.watch(models_with("garlic", engine))
    engine.running = 7
    samples = read(metrics)
    assert samples["owngpt_engine_running", "garlic"] == 7
    assert samples["owngpt_engine_waiting", "garlic"] == 2
    assert samples["owngpt_engine_kv_blocks_free", "garlic"] == 40
    assert samples["owngpt_engine_step_seconds_total", "garlic"] == 1.5
    assert samples["owngpt_engine_restored_tokens_total", "garlic"] == 300
    assert samples["owngpt_engine_kv_disk_bytes", "garlic"] == 2**30
    assert samples["owngpt_engine_drafted_tokens_total", "garlic"] == 9
    assert samples["owngpt_engine_accepted_tokens_total", "garlic"] == 8
    assert samples["owngpt_engine_preemptions_total", "garlic"] == 1
    assert samples["owngpt_engine_tier_waiting", "garlic", "flex"] == 2
    assert samples["owngpt_engine_tier_wait_seconds_count", "garlic", "flex"] == 4
    assert samples["owngpt_engine_tier_wait_seconds_sum", "garlic", "flex"] == 6


def test_two_apps_do_not_share_counters() -> None:
    first, second = PrometheusMetrics(), PrometheusMetrics()
    first.request_started("chat", "garlic")
    assert ("owngpt_requests_running", "garlic", "chat") not in read(second)


@pytest.mark.anyio
async def test_http_answers_are_counted_by_route_and_status() -> None:
    """Whatever callers put into the URL, there is one series per route of ours."""

    async def model(request: Request) -> PlainTextResponse:
        return PlainTextResponse("", status_code=404 if request.path_params["model"] == "nope" else 200)

    async def broken(request: Request) -> PlainTextResponse:
        raise RuntimeError

    routes = [Route("/v1/models/{model}", model), Route("/broken", broken)]
    metrics = PrometheusMetrics()
    app: Any = MetricsMiddleware(Starlette(routes=routes), metrics)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://owngpt") as client:
        for path in ("/v1/models/a", "/v1/models/b", "/v1/models/nope", "/x", "/y?z=1", "/broken"):
            await client.get(path)
        await client.request("BREW", "/v1/models/a")
    samples = read(metrics)
    counts = {key[1:]: value for key, value in samples.items() if key[0] == "owngpt_http_requests_total"}
    assert counts == {
        ("/v1/models/{model}", "200"): 2,
        ("/v1/models/{model}", "404"): 1,
        ("/v1/models/{model}", "405"): 1,
        ("/broken", "500"): 1,
        ("other", "404"): 2,
    }
    assert samples["owngpt_http_request_seconds_count", "other"] == 2

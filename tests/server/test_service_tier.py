"""Tiers and deadlines, from the wire to the engine."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest

from owngpt.config import EngineConfig, ProjectConfig
from owngpt.errors import ResourceUnavailable
from owngpt.service.app import App
from owngpt.types import Tier
from tests.fakes.engine import client_of, engine_of, make_app

pytestmark = pytest.mark.anyio
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
    "/v1/completions": {"prompt": ["Hi", "Ho", "Ha"]},
}


async def post(app: App, path: str, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    async with client_of(app) as client:
        return await client.post(path, json={"model": "fake", **BODIES[path], **fields}, headers=headers)


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("asked", "tier"),
    [
        (None, Tier.DEFAULT),
        ("auto", Tier.DEFAULT),
        ("default", Tier.DEFAULT),
        ("scale", Tier.DEFAULT),
        ("flex", Tier.FLEX),
        ("priority", Tier.PRIORITY),
        ("fast", Tier.PRIORITY),
    ],
)
async def test_the_tier_that_serves_is_said(path: str, asked: str | None, tier: Tier) -> None:
    app = make_app()
    whole = await post(app, path, service_tier=asked)
    assert whole.json()["service_tier"] == tier.label
    stream = await post(app, path, service_tier=asked, stream=True)
    events = [line.removeprefix("data: ") for line in stream.text.splitlines() if line]
    assert {json.loads(event)["service_tier"] for event in events[:-1]} == {tier.label}
    assert {submission.claim.tier for submission in engine_of(app).submissions} == {tier}
    assert "x-owngpt-ignored" not in whole.headers


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("tier", ["batch", "ultrafast", 1])
async def test_there_is_no_other_tier(path: str, tier: Any) -> None:
    response = await post(make_app(), path, service_tier=tier)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "service_tier")


async def test_auto_is_what_the_project_is_set_to() -> None:
    app = make_app()
    app.settings = replace(app.settings, projects={"default": ProjectConfig(weight=3, service_tier="flex")})
    path = "/v1/chat/completions"
    for asked, tier in ((None, "flex"), ("auto", "flex"), ("default", "default")):
        assert (await post(app, path, service_tier=asked)).json()["service_tier"] == tier
    claims = [submission.claim for submission in engine_of(app).submissions]
    assert {claim.weight for claim in claims} == {3}
    assert len({claim.tenant for claim in claims}) == 1
    assert claims[0].tenant.startswith("proj_")


@pytest.mark.parametrize(
    ("headers", "most", "seconds"),
    [
        ({}, None, None),
        ({"x-request-timeout": "2.5"}, None, 2.5),
        ({"x-stainless-read-timeout": "600"}, None, 600),
        ({"x-stainless-timeout": "60"}, None, 60),
        ({"x-request-timeout": "5", "x-stainless-read-timeout": "600.0"}, None, 5),
        ({"x-stainless-read-timeout": "NOT_GIVEN"}, None, None),
        ({}, 30, 30),
        ({"x-request-timeout": "5"}, 30, 5),
        ({"x-request-timeout": "500"}, 30, 30),
    ],
)
async def test_a_deadline_is_what_client_or_server_will_wait(
    headers: dict[str, str], most: float | None, seconds: float | None
) -> None:
    app = make_app()
    app.settings = replace(app.settings, engine=EngineConfig(max_wait=most))
    begin = time.monotonic()
    assert (await post(app, "/v1/completions", headers)).status_code == 200
    first, *others = [submission.claim.deadline for submission in engine_of(app).submissions]
    assert others == [None, None], "the first token is the first prompt's"
    assert first == (None if seconds is None else pytest.approx(begin + seconds, abs=1))


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "1e5", ""])
async def test_a_time_that_is_none_is_refused(text: str) -> None:
    response = await post(make_app(), "/v1/completions", {"x-request-timeout": text})
    assert response.status_code == 400
    assert "'x-request-timeout'" in response.json()["error"]["message"]


async def test_no_capacity_in_time_is_said_as_openai_says_it() -> None:
    app = make_app(refusal=ResourceUnavailable("not in time", retry_after=7))
    response = await post(app, "/v1/chat/completions", stream=True)
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert response.json()["error"]["code"] == "resource_unavailable"

"""Rate limits, spend limits and spend alerts: set by the official client, obeyed by the next request."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import openai
import pytest

from owngpt.config import ModelPrice, Prices, ProjectConfig
from owngpt.server.metrics import PrometheusMetrics
from owngpt.server.schemas.organization.limits import UNLIMITED
from owngpt.service.app import App
from owngpt.service.metering import Meter
from owngpt.service.rate_limits import RateLimits
from owngpt.store.rate_limits import ProjectRateLimits
from owngpt.store.usage import month_of
from tests.fakes.engine import client_of, make_app
from tests.server.organization.test_official_client import admin_of
from tests.server.test_metrics import read

pytestmark = pytest.mark.anyio
HELLO: dict[str, Any] = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}]}
ALERT: dict[str, Any] = {
    "currency": "USD",
    "interval": "month",
    "notification_channel": {"type": "email", "recipients": ["money@example.com"], "subject_prefix": "Oh"},
}


@pytest.fixture
def app() -> Iterator[App]:
    """27 tokens of `Hello!` cost 27 cents."""
    app = make_app()
    prices = Prices({"fake": ModelPrice(Decimal(10_000), Decimal(10_000), Decimal(10_000))})
    app.settings = replace(app.settings, prices=prices)
    app.meter = Meter(app.database, app.settings.data_dir / "metering", prices)
    assert app.limits.accounts is not None
    app.limits.accounts = replace(app.limits.accounts, meter=app.meter)
    yield app
    app.close()


def project_of(app: App) -> str:
    [project] = app.database.read("SELECT id FROM projects WHERE name = 'default'")
    return str(project["id"])


async def ask(client: openai.AsyncOpenAI) -> None:
    await client.chat.completions.create(**HELLO)


async def test_rate_limits_hold_at_once(app: App) -> None:
    async with admin_of(app) as client:
        limits, project = client.admin.organization.projects.rate_limits, project_of(app)
        listed = [limit async for limit in limits.list_rate_limits(project)]
        assert [limit.id for limit in listed] == ["rl-*", "rl-fake", "rl-fake-embed"]
        assert {limit.max_requests_per_1_minute for limit in listed} == {UNLIMITED}
        assert listed[0].max_requests_per_1_day is None
        await ask(client)
        changed = await limits.update_rate_limit("rl-fake", project_id=project, max_requests_per_1_minute=1)
        assert (changed.model, changed.max_requests_per_1_minute) == ("fake", 1)
        await ask(client)
        with pytest.raises(openai.RateLimitError) as refused:
            await ask(client)
        assert refused.value.code == "rate_limit_exceeded"
        await limits.update_rate_limit("rl-fake", project_id=project, max_tokens_per_1_minute=10)
        await limits.update_rate_limit("rl-fake", project_id=project, max_requests_per_1_minute=UNLIMITED)
        with pytest.raises(openai.RateLimitError, match=r"tokens per min \(TPM\): Limit 10, Requested 21"):
            await ask(client)
        [one] = [limit async for limit in limits.list_rate_limits(project, after="rl-*", before="rl-fake-embed")]
        assert (one.max_requests_per_1_minute, one.max_tokens_per_1_minute) == (UNLIMITED, 10)


async def test_the_config_files_limits_are_listed_and_can_be_changed(app: App) -> None:
    projects = {"default": ProjectConfig(requests_per_minute=5, batch_tokens_per_day=100)}
    app.rates = RateLimits(ProjectRateLimits(app.database), projects)
    async with admin_of(app) as client:
        limits, project = client.admin.organization.projects.rate_limits, project_of(app)
        first = (await limits.list_rate_limits(project, limit=1)).data[0]
        assert (first.max_requests_per_1_minute, first.batch_1_day_max_input_tokens) == (5, 100)
        await limits.update_rate_limit("rl-*", project_id=project, max_requests_per_1_day=9)
        [row] = app.database.read("SELECT * FROM project_rate_limits")
        assert (row["requests_per_minute"], row["requests_per_day"], row["batch_tokens_per_day"]) == (5, 9, 100)


@pytest.mark.parametrize(
    ("limit", "body", "status", "param"),
    [
        ("rl-fake", {"max_images_per_1_minute": 1}, 400, "max_images_per_1_minute"),
        ("rl-fake", {"max_tokens_per_1_minute": -1}, 400, "max_tokens_per_1_minute"),
        ("rl-fake", {"max_tokens_per_1_minute": "9"}, 400, "max_tokens_per_1_minute"),
        ("rl-gpt", {"max_tokens_per_1_minute": 1}, 404, "id"),
        ("fake", {"max_tokens_per_1_minute": 1}, 404, "id"),
    ],
)
async def test_a_limit_that_cannot_be(app: App, limit: str, body: dict[str, Any], status: int, param: str) -> None:
    async with client_of(app) as client:
        path = f"/v1/organization/projects/{project_of(app)}/rate_limits"
        response = await client.post(f"{path}/{limit}", json=body)
        assert (response.status_code, response.json()["error"]["param"]) == (status, param)
        assert (await client.get(path.replace("proj_", "proj_x"))).status_code == 404


@pytest.mark.parametrize("owner", ["organization", "project"])
async def test_a_spend_limit_ends_the_month(app: App, owner: str) -> None:
    limit: dict[str, Any] = {"threshold_amount": 54, "currency": "USD", "interval": "month"}
    async with admin_of(app) as client:
        place: Any = client.admin.organization.spend_limit
        who: dict[str, Any] = {}
        if owner == "project":
            place, who = client.admin.organization.projects.spend_limit, {"project_id": project_of(app)}
        with pytest.raises(openai.NotFoundError):
            await place.retrieve(**who)
        assert (await place.update(**limit, **who)).enforcement.status == "inactive"
        for _ in range(2):
            await ask(client)
        app.meter.flush().result()
        app.limits.forget()
        assert (await place.retrieve(**who)).enforcement.status == "enforcing"
        with pytest.raises(openai.RateLimitError) as refused:
            await ask(client)
        assert (refused.value.code, refused.value.type) == ("insufficient_quota", "insufficient_quota")
        assert refused.value.response.headers["x-should-retry"] == "false"
        await place.update(**{**limit, "threshold_amount": 55}, **who)
        await ask(client)
        assert (await place.delete(**who)).deleted
        with pytest.raises(openai.NotFoundError):
            await place.delete(**who)
        await ask(client)


@pytest.mark.parametrize("owner", ["organization", "project"])
async def test_an_alert_is_triggered_once_in_a_month(app: App, owner: str, caplog: pytest.LogCaptureFixture) -> None:
    async with admin_of(app) as client:
        place: Any = client.admin.organization.spend_alerts
        who: dict[str, Any] = {}
        if owner == "project":
            place, who = client.admin.organization.projects.spend_alerts, {"project_id": project_of(app)}
        alert = await place.create(threshold_amount=50, **ALERT, **who)
        other = await place.create(threshold_amount=5000, **ALERT, **who)
        assert {found.id async for found in place.list(**who)} == {alert.id, other.id}
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                await ask(client)
            app.meter.flush().result()
        warnings = [record.message for record in caplog.records if "spend alert" in record.message]
        assert len(warnings) == app.meter.writer.num_alerts == 1
        assert f"{alert.id}: " in warnings[0]
        assert re.search(r"has cost 0\.(54|81) USD this month, its threshold is 0\.50", warnings[0])
        found = await place.retrieve(alert.id, **who)
        assert found.model_extra["triggered_at"] == pytest.approx(time.time(), abs=60)
        assert found.notification_channel.recipients == ["money@example.com"]
        assert (await place.retrieve(other.id, **who)).model_extra["triggered_at"] is None
        changed = await place.update(alert.id, threshold_amount=60, **ALERT, **who)
        assert (changed.threshold_amount, changed.model_extra["triggered_at"]) == (60, None)
        await ask(client)
        app.meter.flush().result()
        assert app.meter.writer.num_alerts == 2
        assert (await place.delete(alert.id, **who)).deleted
        with pytest.raises(openai.NotFoundError):
            await place.retrieve(alert.id, **who)


async def test_what_belongs_to_a_project_is_not_the_organizations(app: App) -> None:
    async with admin_of(app) as client:
        alerts = client.admin.organization.projects.spend_alerts
        alert = await alerts.create(project_of(app), threshold_amount=1, **ALERT)
        with pytest.raises(openai.NotFoundError):
            await client.admin.organization.spend_alerts.retrieve(alert.id)
        assert [found async for found in client.admin.organization.spend_alerts.list()] == []


async def test_changes_are_in_the_audit_log(app: App) -> None:
    async with admin_of(app) as client:
        project = project_of(app)
        await client.admin.organization.projects.rate_limits.update_rate_limit(
            "rl-fake", project_id=project, max_tokens_per_1_minute=10
        )
        await client.admin.organization.spend_limit.update(threshold_amount=5, currency="USD", interval="month")
        alert = await client.admin.organization.spend_alerts.create(threshold_amount=1, **ALERT)
        logged = {entry.type: entry async for entry in client.admin.organization.audit_logs.list()}
        updated = logged["rate_limit.updated"].rate_limit_updated
        assert updated is not None
        assert updated.changes_requested is not None
        assert (updated.id, updated.changes_requested.max_tokens_per_1_minute) == ("rl-fake", 10)
        assert {"tenant.billing.overage_limit.updated", "tenant.billing.alerts.updated"} <= set(logged)
        assert alert.id


@pytest.mark.parametrize("seconds", [month_of(1_700_000_000), month_of(1_700_000_000) + 29 * 86_400])
def test_a_month_begins_with_its_first_second(seconds: int) -> None:
    assert time.strftime("%F %T", time.gmtime(month_of(seconds))) == "2023-11-01 00:00:00"


async def test_keys_of_projects_see_none_of_it(app: App) -> None:
    secret = app.keys.create("plain").secret
    async with client_of(app, secret) as client:
        for path in ("usage/completions?start_time=1", "costs?start_time=1", "spend_limit", "spend_alerts"):
            response = await client.get(f"/v1/organization/{path}")
            assert (response.status_code, response.json()["error"]["code"]) == (403, "missing_scope")


async def test_the_metrics_tell_of_the_meter(app: App) -> None:
    assert isinstance(app.metrics, PrometheusMetrics)
    app.metrics.watch_usage(app.meter)
    async with client_of(app) as client:
        await client.post("/v1/chat/completions", json=HELLO)
    app.meter.flush().result()
    lines = read(app.metrics)
    assert lines[("owngpt_usage_events_written_total",)] == 1
    for name in ("usage_events_waiting", "usage_events_recovered_total", "usage_write_failures_total"):
        assert lines[(f"owngpt_{name}",)] == 0
    assert lines[("owngpt_spend_alerts_total",)] == 0

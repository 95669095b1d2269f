"""Usage and costs, by the official client with its strict validation, and by the schemas of the spec."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest

from owngpt.config import ModelPrice, Prices
from owngpt.service.app import App, Caller
from owngpt.service.metering import Meter
from owngpt.store.db import Row
from owngpt.store.usage import UsageEvent, UsageEvents
from owngpt.types import Tier
from tests.fakes.engine import client_of, make_app
from tests.hostile.openapi import OPENAI, openai_schema
from tests.server.organization.test_official_client import admin_of

pytestmark = pytest.mark.anyio
DAY, HOUR = 86_400, 3600
NOON = 1_760_000_400 // DAY * DAY + DAY // 2
USAGE = "/v1/organization/usage"
EMPTY = (
    "moderations",
    "images",
    "audio_speeches",
    "audio_transcriptions",
    "code_interpreter_sessions",
    "web_search_calls",
)


@pytest.fixture
def app() -> Iterator[App]:
    app = make_app()
    yield app
    app.close()


def organization(app: App) -> Row:
    [row] = app.database.read("SELECT * FROM organizations")
    return row


def event(app: App, number: int, **values: Any) -> UsageEvent:
    basis = UsageEvent(
        f"use_{number}",
        "",
        organization(app)["id"],
        "proj_a",
        "key_a",
        "user-a",
        "completions",
        "m",
        "default",
        None,
        NOON,
    )
    return replace(basis, **values)


def add(app: App, *changes: dict[str, Any]) -> None:
    UsageEvents(app.database).add(event(app, number, **values) for number, values in enumerate(changes))


async def get(app: App, path: str, **params: Any) -> dict[str, Any]:
    async with client_of(app) as client:
        response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def results(page: dict[str, Any]) -> list[list[dict[str, Any]]]:
    return [bucket["results"] for bucket in page["data"]]


async def test_what_has_just_ended_is_seen(app: App) -> None:
    async with admin_of(app) as client:
        answer = await client.chat.completions.create(model="gpt-fake", messages=[{"role": "user", "content": "Hi"}])
        await client.embeddings.create(model="fake-embed", input="abc", encoding_format="float")
        usage = client.admin.organization.usage
        page = await usage.completions(start_time=int(time.time()) // DAY * DAY, group_by=["model", "project_id"])
        assert answer.usage is not None
        [bucket] = page.data
        [result] = bucket.results
        assert result.object == "organization.usage.completions.result"
        assert (result.input_tokens, result.output_tokens) == (
            answer.usage.prompt_tokens,
            answer.usage.completion_tokens,
        )
        assert (result.num_model_requests, result.model, result.api_key_id) == (1, "gpt-fake", None)
        embeddings = await usage.embeddings(start_time=int(time.time()) // DAY * DAY)
        assert embeddings.data[0].results[0].model_dump()["input_tokens"] == 3


async def test_every_operation_answers_the_official_client(app: App) -> None:
    """Each with all that the spec lets one ask for."""
    add(app, {"input_tokens": 5}, {"kind": "file_search_calls"}, {"kind": "vector_stores", "bytes": 7})
    ids: dict[str, Any] = {"project_ids": ["proj_a"], "user_ids": ["user-a"], "api_key_ids": ["key_a"]}
    groups = ["project_id", "user_id", "api_key_id"]
    models = {**ids, "models": ["m"], "group_by": [*groups, "model"]}
    asked: dict[str, dict[str, Any]] = {
        "completions": {**models, "batch": False, "group_by": [*groups, "model", "batch", "service_tier"]},
        "embeddings": models,
        "moderations": models,
        "images": {**models, "sizes": ["256x256"], "sources": ["image.edit"], "group_by": [*groups, "size", "source"]},
        "audio_speeches": models,
        "audio_transcriptions": models,
        "file_search_calls": {**ids, "group_by": groups},
        "vector_stores": {"project_ids": ["proj_a"], "group_by": ["project_id"]},
        "code_interpreter_sessions": {"project_ids": ["proj_a"], "group_by": ["project_id"]},
        "web_search_calls": {**models, "context_levels": ["low"]},
        "costs": {"project_ids": ["proj_a"], "group_by": ["project_id", "line_item", "api_key_id"]},
    }
    async with admin_of(app) as client:
        for name, params in asked.items():
            span = {"start_time": NOON, "end_time": NOON + DAY, "limit": 5}
            page = await getattr(client.admin.organization.usage, name)(**span, **params)
            assert (len(page.data), page.has_more, page.next_page) == (2, False, None), name
            assert bool(page.data[0].results) == (name not in ("embeddings", *EMPTY)), name


@pytest.mark.skipif(not OPENAI.exists(), reason="OpenAI's description is not there")
async def test_answers_fit_the_spec(app: App) -> None:
    kinds = ("completions", "embeddings", "file_search_calls", "vector_stores")
    add(app, *({"kind": kind, "input_tokens": 5, "input_cost": 50, "bytes": 7} for kind in kinds))
    validator = jsonschema_rs.Draft202012Validator(openai_schema("UsageResponse"))
    for path in ("/v1/organization/costs", *(f"{USAGE}/{name}" for name in (*kinds, *EMPTY))):
        for group_by in ([], ["project_id"]):
            params = {"start_time": NOON - DAY, "end_time": NOON + 1, "group_by[]": group_by}
            page = await get(app, path, **params)
            validator.validate(page)
            assert bool(results(page)[1]) == (path.rpartition("/")[2] not in EMPTY)


async def test_buckets(app: App) -> None:
    """From the start, also in the middle of a day; what lies outside does not count."""
    times = (NOON - 1, NOON, NOON + DAY // 2 - 1, NOON + DAY // 2, NOON + 3 * DAY - 1, NOON + 3 * DAY)
    add(app, *({"created_at": at, "input_tokens": 10**number} for number, at in enumerate(times)))
    page = await get(app, f"{USAGE}/completions", start_time=NOON, end_time=NOON + 3 * DAY)
    assert [(bucket["start_time"] - NOON, bucket["end_time"] - NOON) for bucket in page["data"]] == [
        (0, DAY // 2),
        (DAY // 2, DAY * 3 // 2),
        (DAY * 3 // 2, DAY * 5 // 2),
        (DAY * 5 // 2, 3 * DAY),
    ]
    assert [[result["input_tokens"] for result in found] for found in results(page)] == [[110], [1000], [], [10_000]]


@pytest.mark.parametrize(("width", "seconds"), [("1m", 60), ("1h", HOUR), ("1d", DAY)])
async def test_pages_follow_each_other(app: App, width: str, seconds: int) -> None:
    add(app, *({"created_at": NOON + number * seconds, "input_tokens": number} for number in range(10)))
    asked = {"start_time": NOON, "end_time": NOON + 10 * seconds, "bucket_width": width, "limit": 4}
    page = await get(app, f"{USAGE}/completions", **asked)
    buckets = page["data"]
    while page["has_more"]:
        page = await get(app, f"{USAGE}/completions", **asked, page=page["next_page"])
        buckets += page["data"]
    assert page["next_page"] is None
    whole = await get(app, f"{USAGE}/completions", **{**asked, "limit": 24})
    assert buckets == whole["data"]
    assert sum(result["input_tokens"] for bucket in buckets for result in bucket["results"]) == sum(range(10))


async def test_filters_and_groups(app: App) -> None:
    add(
        app,
        {"input_tokens": 1},
        {"input_tokens": 10, "project_id": "proj_b", "user_id": None},
        {"input_tokens": 100, "tier": Tier.BATCH.label, "model": "n"},
        {"input_tokens": 1000, "key_id": "key_b"},
        {"input_tokens": 10_000, "organization_id": "org-other"},
    )

    async def found(**params: Any) -> dict[Any, int]:
        page = await get(app, f"{USAGE}/completions", start_time=NOON, end_time=NOON + 1, **params)
        key = params.get("group_by", "model")
        return {result[key]: result["input_tokens"] for result in results(page)[0]}

    assert await found() == {None: 1111}
    assert await found(group_by="project_id") == {"proj_a": 1101, "proj_b": 10}
    assert await found(group_by="user_id") == {"user-a": 1101, None: 10}
    assert await found(group_by="api_key_id") == {"key_a": 111, "key_b": 1000}
    assert await found(group_by="model") == {"m": 1011, "n": 100}
    assert await found(group_by="batch") == {True: 100, False: 1011}
    assert await found(group_by="service_tier") == {"batch": 100, "default": 1011}
    assert await found(batch="true") == {None: 100}
    assert await found(batch="false", models="m", api_key_ids=["key_a", "key_c"]) == {None: 11}
    assert await found(**{"project_ids[]": ["proj_a", "proj_b"], "user_ids[]": "user-a"}) == {None: 1101}


async def test_tokens_of_each_kind(app: App) -> None:
    add(app, {"input_tokens": 100, "cached_tokens": 60, "cache_write_tokens": 30, "output_tokens": 7})
    [[result]] = results(await get(app, f"{USAGE}/completions", start_time=NOON, end_time=NOON + 1))
    assert result["input_uncached_tokens"] == result["input_text_tokens"] == 10
    assert (result["input_cached_tokens"], result["input_cache_write_tokens"]) == (60, 30)


async def test_vector_stores_show_what_is_held(app: App) -> None:
    changes = ((NOON - 9 * DAY, 100), (NOON, 20), (NOON + DAY, -50), (NOON + 2 * DAY, -70))
    add(app, *({"kind": "vector_stores", "created_at": at, "bytes": size} for at, size in changes))
    page = await get(app, f"{USAGE}/vector_stores", start_time=NOON - DAY, end_time=NOON + 3 * DAY)
    assert [[result["usage_bytes"] for result in found] for found in results(page)] == [[100], [120], [70], [], []]


def make_meter(app: App, prices: Prices) -> Meter:
    """Another one for the same App, with prices."""
    return Meter(app.database, app.settings.data_dir / "metering", prices)


async def test_costs_by_line_item(app: App) -> None:
    prices = Prices({"m": ModelPrice(Decimal("2"), Decimal("0.5"), Decimal("10"))}, file_search_call=Decimal("0.0025"))
    meter = make_meter(app, prices)
    caller = Caller("proj_a", "a", organization(app)["id"], "key_a", is_admin=False)
    meter.record(caller, kind="embeddings", model="m", input_tokens=1_000_000)
    meter.record(caller, kind="file_search_calls", num_requests=4)
    meter.close()
    start = int(time.time()) // DAY * DAY
    [[whole]] = results(await get(app, "/v1/organization/costs", start_time=start))
    assert whole["amount"] == {"value": 2.01, "currency": "usd"}
    assert (whole["line_item"], whole["quantity"]) == (None, None)
    [lines] = results(await get(app, "/v1/organization/costs", start_time=start, group_by="line_item"))
    assert {
        (line["line_item"], line["amount"]["value"], line["quantity"], line["quantity_unit"]) for line in lines
    } == {
        ("m, input", 2.0, 1_000_000, "tokens"),
        ("file search calls", 0.01, 4, None),
    }


async def test_storage_costs_by_the_day_exactly_once(app: App) -> None:
    app.meter = make_meter(app, Prices(vector_store_gb_day=Decimal("0.1")))
    start = int(time.time()) // DAY * DAY - 3 * DAY
    changes = ((start + DAY // 2, 2**31), (start + 2 * DAY, -(2**30)))
    add(app, *({"kind": "vector_stores", "created_at": at, "bytes": size} for at, size in changes))
    for _ in range(2):
        page = await get(app, "/v1/organization/costs", start_time=start, group_by=["line_item", "project_id"])
    found = [[(r["amount"]["value"], r["quantity"], r["project_id"]) for r in bucket] for bucket in results(page)]
    assert found == [[(0.1, 24.0, "proj_a")], [(0.2, 48.0, "proj_a")], [(0.1, 24.0, "proj_a")], []]
    assert results(page)[0][0]["line_item"] == "vector store storage"


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "start_time"),
        ({"start_time": "soon"}, "start_time"),
        ({"start_time": NOON, "end_time": NOON}, "end_time"),
        ({"start_time": NOON, "bucket_width": "1w"}, "bucket_width"),
        ({"start_time": NOON, "limit": 32}, "limit"),
        ({"start_time": NOON, "limit": 0}, "limit"),
        ({"start_time": NOON, "group_by": "size"}, "group_by"),
        ({"start_time": NOON, "group_by[]": ["model", "color"]}, "group_by"),
        ({"start_time": NOON, "batch": "maybe"}, "batch"),
        ({"start_time": NOON, "page": "page_1"}, "page"),
        ({"start_time": NOON, "page": "x"}, "page"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_name(app: App, params: dict[str, Any], param: str) -> None:
    async with client_of(app) as client:
        response = await client.get(f"{USAGE}/completions", params=params)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


async def test_what_nobody_reads_is_named(app: App) -> None:
    async with client_of(app) as client:
        response = await client.get(f"{USAGE}/vector_stores", params={"start_time": NOON, "color": 1, "models[]": "m"})
    assert response.headers["x-owngpt-ignored"] == "color, models[]"


async def test_the_price_of_nothing(app: App) -> None:
    """Local models are free unless they have a price: their usage is told, at no cost."""
    async with client_of(app) as client:
        await client.post("/v1/embeddings", json={"input": "abc"})
    [[result]] = results(await get(app, "/v1/organization/costs", start_time=int(time.time()) // DAY * DAY))
    assert result["amount"]["value"] == 0


async def test_searches_and_what_vector_stores_hold(app: App) -> None:
    """Through the API: a file goes into a store, is searched, and is deleted."""
    start = int(time.time()) // DAY * DAY
    async with client_of(app) as client:
        file = {"file": ("a.txt", b"Garlic is a vegetable. " * 40)}
        uploaded = (await client.post("/v1/files", files=file, data={"purpose": "assistants"})).json()
        store = (await client.post("/v1/vector_stores", json={"file_ids": [uploaded["id"]]})).json()
        path = f"/v1/vector_stores/{store['id']}"
        while store["status"] != "completed":
            await asyncio.sleep(0.01)
            store = (await client.get(path)).json()
        assert store["file_counts"]["completed"] == 1, (await client.get(f"{path}/files")).json()
        for _ in range(2):
            assert (await client.post(f"{path}/search", json={"query": "garlic"})).status_code == 200
        held = results(await get(app, f"{USAGE}/vector_stores", start_time=start))[-1]
        assert [result["usage_bytes"] for result in held] == [store["usage_bytes"]]
        await client.delete(f"/v1/files/{uploaded['id']}")
    assert results(await get(app, f"{USAGE}/vector_stores", start_time=start))[-1] == []
    asked = {"start_time": start, "group_by": "vector_store_id"}
    [result] = results(await get(app, f"{USAGE}/file_search_calls", **asked))[-1]
    assert (result["num_requests"], result["vector_store_id"]) == (2, store["id"])

"""/v1/batches, by OpenAI's own client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types import Batch

from owngpt.server.asgi import create_app
from owngpt.service.app import App
from owngpt.service.batch_lines import request_id
from owngpt.store.batches import UNDONE, Line
from owngpt.store.db import Database
from owngpt.types import Tier
from tests.fakes.engine import Submission, client_of, engine_of, make_app
from tests.server.test_files import openai_client

pytestmark = pytest.mark.anyio

CHAT: Any = "/v1/chat/completions"


def echo(submission: Submission) -> str:
    """Says what it was asked last."""
    prompt = bytes(i for i in submission.prompt if i < 256).decode()
    return prompt.rsplit("user\n", 1)[1].removesuffix("\nassistant\n")


def line(custom_id: str, url: str = CHAT, **body: Any) -> dict[str, Any]:
    if url == CHAT and "messages" not in body:
        body["messages"] = [{"role": "user", "content": f"I am {custom_id}"}]
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body}


async def upload(client: AsyncOpenAI, lines: Sequence[dict[str, Any] | str]) -> str:
    text = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines)
    return (await client.files.create(file=("in.jsonl", text.encode()), purpose="batch")).id


async def create(client: AsyncOpenAI, lines: Sequence[dict[str, Any] | str], endpoint: Any = CHAT) -> Batch:
    file_id = await upload(client, lines)
    return await client.batches.create(input_file_id=file_id, endpoint=endpoint, completion_window="24h")


async def ended(client: AsyncOpenAI, batch_id: str, *, within: float = 30.0) -> Batch:
    end = time.monotonic() + within
    while time.monotonic() < end:
        batch = await client.batches.retrieve(batch_id)
        if batch.status in ("completed", "failed", "expired", "cancelled"):
            return batch
        await asyncio.sleep(0.01)
    raise AssertionError(batch)


async def content(client: AsyncOpenAI, file_id: str | None) -> list[Any]:
    assert file_id is not None
    return [json.loads(text) for text in (await client.files.content(file_id)).text.splitlines()]


@pytest.fixture
def app(database: Database) -> App:
    return make_app(echo, database=database)


@pytest.fixture
async def client(app: App) -> AsyncIterator[AsyncOpenAI]:
    async with openai_client(app) as client:
        yield client
        await app.drain()


async def test_a_batch_from_order_to_answers(client: AsyncOpenAI, app: App) -> None:
    file_id = await upload(client, [line(f"r{i}", model="fake") for i in range(20)])
    batch = await client.batches.create(
        input_file_id=file_id, endpoint=CHAT, completion_window="24h", metadata={"night": "1"}
    )
    assert (batch.object, batch.status, batch.completion_window) == ("batch", "validating", "24h")
    assert batch.expires_at == batch.created_at + 24 * 3600
    done = await ended(client, batch.id)
    assert (done.status, done.error_file_id, done.errors, done.metadata) == ("completed", None, None, {"night": "1"})
    assert done.model == "fake"
    assert done.request_counts is not None
    assert done.request_counts.to_dict() == {"total": 20, "completed": 20, "failed": 0}
    assert done.in_progress_at
    assert done.finalizing_at
    assert done.completed_at
    answers = await content(client, done.output_file_id)
    assert [each["custom_id"] for each in answers] == [f"r{i}" for i in range(20)]
    for i, each in enumerate(answers):
        assert each["error"] is None
        assert each["response"]["status_code"] == 200
        assert each["response"]["body"]["choices"][0]["message"]["content"] == f"I am r{i}"
    assert done.usage is not None
    assert done.usage.total_tokens == sum(each["response"]["body"]["usage"]["total_tokens"] for each in answers)
    assert {submission.claim.tier for submission in engine_of(app).submissions} == {Tier.BATCH}
    assert [each.id async for each in client.batches.list()] == [batch.id]
    file = await client.files.retrieve(done.output_file_id or "")
    assert (file.purpose, file.filename) == ("batch_output", f"{batch.id}_output.jsonl")


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("/v1/completions", {"prompt": "Once", "max_tokens": 3}),
        ("/v1/embeddings", {"input": "text"}),
        ("/v1/responses", {"input": "Hi", "store": False}),
    ],
)
async def test_other_endpoints(endpoint: str, body: dict[str, Any]) -> None:
    app = make_app("Hello!")
    async with openai_client(app) as client:
        batch = await create(client, [line("a", endpoint, **body)], endpoint)
        done = await ended(client, batch.id)
        assert done.error_file_id is None
        [answer] = await content(client, done.output_file_id)
        assert answer["response"]["body"]["object"] in ("text_completion", "list", "response")
        await app.drain()


async def test_a_line_that_is_refused_is_in_the_error_file(client: AsyncOpenAI) -> None:
    batch = await create(client, [line("good"), line("bad", temperature=9), line("none", model="nobody")])
    done = await ended(client, batch.id)
    assert done.status == "completed"
    assert done.request_counts is not None
    assert done.request_counts.to_dict() == {"total": 3, "completed": 1, "failed": 2}
    bad, none = await content(client, done.error_file_id)
    assert (bad["custom_id"], bad["response"]["status_code"]) == ("bad", 400)
    assert bad["response"]["body"]["error"]["param"] == "temperature"
    assert (none["response"]["status_code"], none["response"]["body"]["error"]["code"]) == (404, "model_not_found")
    assert [each["custom_id"] for each in await content(client, done.output_file_id)] == ["good"]


@pytest.mark.parametrize(
    ("lines", "code", "number"),
    [
        (["{"], "invalid_json_line", 1),
        (["[1]"], "invalid_json_line", 1),
        ([line("a"), line("b"), line("a")], "duplicate_custom_id", 3),
        ([line("a", "/v1/embeddings", input="x")], "invalid_url", 1),
        ([line("a"), {**line("b"), "method": "GET"}], "invalid_method", 2),
        ([{**line("a"), "custom_id": 7}], "invalid_custom_id", 1),
        ([{**line("a"), "body": None}], "invalid_request", 1),
        ([line("a", stream=True)], "invalid_request", 1),
        (["", " "], "empty_file", None),
    ],
)
async def test_nothing_of_a_wrong_input_runs(
    client: AsyncOpenAI, app: App, lines: list[Any], code: str, number: int | None
) -> None:
    batch = await create(client, lines)
    done = await ended(client, batch.id)
    assert (done.status, done.output_file_id) == ("failed", None)
    assert done.errors is not None
    assert done.errors.data is not None
    assert [(error.code, error.line) for error in done.errors.data] == [(code, number)]
    assert engine_of(app).submissions == []


async def test_what_cannot_be_ordered_is_refused(client: AsyncOpenAI, app: App) -> None:
    wrong = await client.files.create(file=("a.jsonl", b"{}"), purpose="assistants")
    with pytest.raises(openai.BadRequestError, match="upload it with purpose 'batch'"):
        await client.batches.create(input_file_id=wrong.id, endpoint=CHAT, completion_window="24h")
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        await client.batches.create(input_file_id="file-none", endpoint=CHAT, completion_window="24h")
    file_id = await upload(client, [line("a")])
    with pytest.raises(openai.BadRequestError, match="Invalid value for 'endpoint'"):
        await client.batches.create(input_file_id=file_id, endpoint="/v1/moderations", completion_window="24h")
    async with openai_client(app, app.keys.create("other", project="other").secret) as other:
        with pytest.raises(openai.NotFoundError):
            await other.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window="24h")


async def test_another_project_sees_no_batch(client: AsyncOpenAI, app: App) -> None:
    batch = await create(client, [line("a")])
    async with openai_client(app, app.keys.create("other", project="other").secret) as other:
        assert (await other.batches.list()).data == []
        with pytest.raises(openai.NotFoundError, match="No such Batch object"):
            await other.batches.retrieve(batch.id)
        with pytest.raises(openai.NotFoundError):
            await other.batches.cancel(batch.id)
    assert (await ended(client, batch.id)).status == "completed"


async def test_who_may_not_read_the_input_sees_no_batch(client: AsyncOpenAI, app: App) -> None:
    """Neither its metadata nor its progress, nor may they end it."""
    form = {"purpose": "batch", "readers": f"key:{app.keys.list()[0].id}"}
    async with client_of(app) as http:
        sent = await http.post("/v1/files", files={"file": ("in.jsonl", json.dumps(line("a")).encode())}, data=form)
    file_id = sent.json()["id"]
    batch = await client.batches.create(
        input_file_id=file_id, endpoint=CHAT, completion_window="24h", metadata={"about": "layoffs"}
    )
    async with openai_client(app, app.keys.create("colleague").secret) as colleague:
        assert (await colleague.batches.list()).data == []
        with pytest.raises(openai.NotFoundError, match="No such Batch object"):
            await colleague.batches.retrieve(batch.id)
        with pytest.raises(openai.NotFoundError):
            await colleague.batches.cancel(batch.id)
    assert [each.id for each in (await client.batches.list()).data] == [batch.id]
    assert (await ended(client, batch.id)).status == "completed"


async def test_cancelling_stops_what_runs_and_keeps_what_is_done(client: AsyncOpenAI, app: App) -> None:
    engine = engine_of(app)
    engine.delay = 0.002
    slow = [{"role": "user", "content": "slow " * 2000}]
    batch = await create(client, [line("quick"), *(line(f"r{i}", messages=slow) for i in range(30))])
    while (await client.batches.retrieve(batch.id)).request_counts.completed == 0:  # type: ignore[union-attr]
        await asyncio.sleep(0.01)
    assert (await client.batches.cancel(batch.id)).status == "cancelling"
    start = time.monotonic()
    done = await ended(client, batch.id)
    assert time.monotonic() - start < 5
    assert done.status == "cancelled"
    assert engine.num_running == 0
    assert [each["custom_id"] for each in await content(client, done.output_file_id)] == ["quick"]
    assert (await client.batches.cancel(batch.id)).status == "cancelled"


async def test_a_batch_that_has_ended_cannot_be_cancelled(client: AsyncOpenAI) -> None:
    batch = await create(client, [line("a")])
    await ended(client, batch.id)
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a batch with status 'completed'"):
        await client.batches.cancel(batch.id)


async def test_a_batch_that_is_late_expires_with_what_it_has(client: AsyncOpenAI, app: App) -> None:
    engine_of(app).delay = 10
    file_id = await upload(client, [line("a"), line("b")])
    order = await client.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window="24h")
    with app.database.write() as transaction:
        transaction.execute("UPDATE batches SET expires_at = ? WHERE id = ?", (int(time.time()) + 1, order.id))
    done = await ended(client, order.id)
    assert (done.status, done.output_file_id) == ("expired", None)
    errors = await content(client, done.error_file_id)
    assert [(each["custom_id"], each["error"]["code"]) for each in errors] == [
        ("a", "batch_expired"),
        ("b", "batch_expired"),
    ]
    assert list(app.batches.lines(order.id, *UNDONE)) == []


async def test_a_line_without_room_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others fill the server: the batch is told so by a 429, and comes back when they have gone."""
    monkeypatch.setattr("owngpt.service.batch_lines._ONE_PAUSE", 0.05)
    app = make_app(echo, capacity=4)
    async with openai_client(app) as client:
        with app.limits.admit("chat", "fake", 4):
            batch = await create(client, [line("a"), line("b")])
            await asyncio.sleep(0.3)
            assert (await client.batches.retrieve(batch.id)).status == "in_progress"
            assert engine_of(app).submissions == []
        done = await ended(client, batch.id)
        assert done.request_counts is not None
        assert done.request_counts.completed == 2
        await app.drain()


async def test_a_deleted_input_is_kept_for_as_long_as_it_is_needed(client: AsyncOpenAI, app: App) -> None:
    engine_of(app).delay = 0.001
    batch = await create(client, [line(f"r{i}") for i in range(30)])
    await client.files.delete(batch.input_file_id)
    done = await ended(client, batch.id)
    assert done.request_counts is not None
    assert done.request_counts.completed == 30
    assert len(list((app.settings.data_dir / "files").glob("??/*"))) == 1


async def test_the_files_of_a_batch_are_for_the_readers_of_its_input(client: AsyncOpenAI, app: App) -> None:
    reader, stranger = app.keys.create("reader"), app.keys.create("stranger")
    async with openai_client(app, reader.secret) as allowed:
        text = json.dumps(line("a")).encode()
        readers = {"readers": f"key:{reader.key.id}"}
        file = await allowed.files.create(file=("a.jsonl", text), purpose="batch", extra_body=readers)
        batch = await allowed.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
        done = await ended(allowed, batch.id)
        assert await content(allowed, done.output_file_id)
    async with openai_client(app, stranger.secret) as refused:
        with pytest.raises(openai.NotFoundError):
            await refused.files.content(done.output_file_id or "")


async def test_a_revoked_key_runs_nothing_more(client: AsyncOpenAI, app: App) -> None:
    engine_of(app).delay = 0.01
    secret, key = app.keys.create("short-lived")
    async with openai_client(app, secret) as owner:
        batch = await create(owner, [line(f"r{i}") for i in range(40)])
    app.keys.revoke(key.id)
    done = await ended(client, batch.id)
    errors = await content(client, done.error_file_id)
    assert {each["response"]["status_code"] for each in errors} == {401}


def kill(app: App, batch_id: str, started: int) -> None:
    """Leave the rows as a killed server does: lines were started, and nobody knows what became of them."""
    with app.database.write() as transaction:
        transaction.execute(
            "UPDATE batch_lines SET status = 'started' WHERE batch_id = ? AND line < ?", (batch_id, started)
        )


def validated(app: App, batch_id: str, lines: Sequence[dict[str, Any]]) -> None:
    """As if the server had been killed after it had read the input."""
    place, found = 0, []
    for i, each in enumerate(lines):
        size = len(json.dumps(each)) + 1
        found.append(Line(i, each["custom_id"], place, size))
        place += size
    app.batches.begin(batch_id, found, None)


async def left_behind(app: App, lines: Sequence[dict[str, Any]], endpoint: Any = CHAT) -> str:
    """A batch of a server that was killed while two lines ran, one of them metered already."""
    app.background.clear()  # nobody runs batches here
    async with openai_client(app) as client:
        app.background.clear()
        batch = await create(client, lines, endpoint)
    validated(app, batch.id, lines)
    kill(app, batch.id, 2)
    return batch.id


async def test_lines_that_were_cut_off_run_again_and_cost_once(app: App) -> None:
    batch_id = await left_behind(app, [line(f"r{i}") for i in range(4)])
    batch = app.batches.get(batch_id)
    with app.database.write() as transaction:
        transaction.execute(
            "INSERT INTO usage_events (id, request_id, organization_id, project_id, key_id, kind, tier, created_at,"
            " outcome, num_requests, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens,"
            " bytes, input_cost, cached_cost, output_cost) VALUES ('use_1', ?, 'o', ?, 'k', 'completions', 'batch', 0,"
            " 'crash', 1, 7, 0, 0, 7, 0, 0, 0, 0, 0)",
            (request_id(batch_id, 0), batch.project_id),
        )
    async with openai_client(app) as client:
        app.wake()
        done = await ended(client, batch_id)
        assert done.request_counts is not None
        assert done.request_counts.to_dict() == {"total": 4, "completed": 4, "failed": 0}
        assert len(engine_of(app).submissions) == 4
        await app.drain()
    app.meter.flush().result()
    [events] = app.database.read("SELECT COUNT(*) AS number, SUM(output_tokens) AS tokens FROM usage_events")
    assert done.usage is not None
    assert (events["number"], events["tokens"]) == (4, done.usage.output_tokens)


async def test_lines_that_may_have_had_effects_do_not_run_again(app: App) -> None:
    endpoint = "/v1/responses"
    lines = [line(f"r{i}", endpoint, input="Hi", store=i != 1) for i in range(3)]
    batch_id = await left_behind(app, lines, endpoint)
    async with openai_client(app) as client:
        app.wake()
        done = await ended(client, batch_id)
        [error] = await content(client, done.error_file_id)
        assert (error["custom_id"], error["error"]["code"]) == ("r0", "batch_interrupted")
        assert [each["custom_id"] for each in await content(client, done.output_file_id)] == ["r1", "r2"]
        await app.drain()


async def test_a_server_that_stops_leaves_its_lines_to_the_next_one(app: App) -> None:
    engine_of(app).delay = 0.05
    async with openai_client(app) as client:
        batch = await create(client, [line(f"r{i}") for i in range(40)])
        while engine_of(app).num_running == 0:
            await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(app.drain(), 0.05)
    statuses = [row["status"] for row in app.database.read("SELECT status FROM batch_lines ORDER BY line")]
    assert set(statuses) == {"stopped", "pending"}
    again = App(app.settings, app.database, app.keys, type(app.limits)(64, app.metrics), app.loaded)
    engine_of(app).delay = 0.0
    async with openai_client(again) as client:
        again.wake()
        done = await ended(client, batch.id)
        assert done.request_counts is not None
        assert done.request_counts.completed == 40
        await again.drain()


async def test_one_server_of_several_runs_batches(app: App) -> None:
    other = App(app.settings, app.database, app.keys, type(app.limits)(64, app.metrics), app.loaded)
    create_app(other)
    async with openai_client(app) as client:
        app.wake()
        await asyncio.sleep(0.05)
        other.wake()
        batch = await create(client, [line("a")])
        assert (await ended(client, batch.id)).status == "completed"
        assert len(engine_of(app).submissions) == 1
        await app.drain()
        await other.drain()

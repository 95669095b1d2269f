"""Background responses: queued, followed, resumed, cancelled, and what becomes of them when the server dies."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest

from owngpt.service import callers
from owngpt.service.app import App
from owngpt.service.responses import background, jobs
from owngpt.store.db import SQLite, database_file
from owngpt.store.keys import Keys
from owngpt.store.response_jobs import ResponseJobs
from tests.fakes.engine import client_of, engine_of, make_app

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[httpx.AsyncClient]:
    """A client, and what works in the background while it is there."""
    async with client_of(app) as client:
        app.wake()
        try:
            yield client
        finally:
            with anyio.move_on_after(0):
                await app.drain()


def restarted(app: App, **options: Any) -> App:
    """Another process on the same data folder; the first one is not there any more."""
    database = SQLite(database_file(app.settings.data_dir))
    other = make_app(**options)
    again = replace(other, settings=app.settings, database=database, keys=Keys(database))
    again.limits.accounts = other.limits.accounts
    return again


async def create(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await client.post("/v1/responses", json={"input": "Hi", "background": True, **body})
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def ended(client: httpx.AsyncClient, response_id: str) -> dict[str, Any]:
    """The response, when it has ended."""
    with anyio.fail_after(5):
        while True:
            document: dict[str, Any] = (await client.get(f"/v1/responses/{response_id}")).json()
            if document["status"] not in ("queued", "in_progress"):
                return document
            await anyio.sleep(0.01)


async def events_of(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    response = await client.get(path)
    assert response.status_code == 200, response.text
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


async def test_is_queued_and_made() -> None:
    async with serving(make_app("Hello!")) as client:
        queued = await create(client)
        assert (queued["status"], queued["output"], queued["background"]) == ("queued", [], True)
        done = await ended(client, queued["id"])
        assert (done["status"], done["output"][0]["content"][0]["text"]) == ("completed", "Hello!")
        assert done["created_at"] == queued["created_at"]


async def test_a_stream_can_be_followed_and_resumed() -> None:
    async with serving(make_app("Hello!")) as client:
        body = {"input": "Hi", "background": True, "stream": True}
        first = await client.post("/v1/responses", json=body)
        kinds = [line[7:] for line in first.text.splitlines() if line.startswith("event: ")]
        assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]
        assert kinds[-1] == "response.completed"
        response_id = json.loads(first.text.splitlines()[1][6:])["response"]["id"]
        events = await events_of(client, f"/v1/responses/{response_id}?stream=true")
        assert [event["type"] for event in events] == kinds
        assert [event["sequence_number"] for event in events] == list(range(len(kinds)))
        rest = await events_of(client, f"/v1/responses/{response_id}?stream=true&starting_after=4")
        assert rest == events[5:]
        stored = (await client.get(f"/v1/responses/{response_id}")).json()
        assert stored == events[-1]["response"]


async def test_can_be_followed_while_it_is_made() -> None:
    async with serving(make_app("word " * 20, delay=0.002)) as client:
        queued = await create(client)
        events = await events_of(client, f"/v1/responses/{queued['id']}?stream=true")
        assert events[-1]["type"] == "response.completed"


async def test_can_be_cancelled() -> None:
    app = make_app("word " * 500, delay=0.005)
    async with serving(app) as client:
        queued = await create(client)
        with anyio.fail_after(5):
            while not engine_of(app).num_running:
                await anyio.sleep(0.005)
        cancelled = (await client.post(f"/v1/responses/{queued['id']}/cancel")).json()
        assert cancelled["status"] == "cancelled"
        with anyio.fail_after(5):
            while engine_of(app).num_running:
                await anyio.sleep(0.005)
        assert (await client.get(f"/v1/responses/{queued['id']}")).json()["status"] == "cancelled"
        assert (await client.post(f"/v1/responses/{queued['id']}/cancel")).json()["status"] == "cancelled"
        assert await events_of(client, f"/v1/responses/{queued['id']}?stream=true")


async def test_only_background_responses_are_cancelled_or_streamed_again() -> None:
    async with serving(make_app("Hello!")) as client:
        done = (await client.post("/v1/responses", json={"input": "Hi"})).json()
        assert (await client.post(f"/v1/responses/{done['id']}/cancel")).status_code == 400
        assert (await client.get(f"/v1/responses/{done['id']}?stream=true")).status_code == 400
        assert (await client.post("/v1/responses/resp_none/cancel")).status_code == 404
        refused = await client.post("/v1/responses", json={"input": "Hi", "background": True, "store": False})
        assert refused.json()["error"]["param"] == "background"


async def test_an_engine_that_dies_fails_it() -> None:
    async with serving(make_app("Hello!", fail_after=2)) as client:
        queued = await create(client)
        done = await ended(client, queued["id"])
        assert (done["status"], done["error"]["code"]) == ("failed", "server_error")
        events = await events_of(client, f"/v1/responses/{queued['id']}?stream=true")
        assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]


async def test_it_waits_where_there_is_no_room() -> None:
    """A queue is a promise: what is queued is not refused because the machine is busy."""
    app = make_app("word " * 30, capacity=1, delay=0.005)
    async with serving(app) as client:
        first, second = await create(client), await create(client)
        assert (await ended(client, first["id"]))["status"] == "completed"
        assert (await ended(client, second["id"]))["status"] == "completed"


async def test_what_is_queued_is_made_after_a_restart() -> None:
    app = make_app("Hello!")
    async with client_of(app) as client:
        app.background[-1].wake = lambda: None  # type: ignore[method-assign]
        queued = await create(client)
    async with serving(restarted(app, script="Hello!")) as client:
        done = await ended(client, queued["id"])
        assert (done["status"], done["output"][0]["content"][0]["text"]) == ("completed", "Hello!")
        events = await events_of(client, f"/v1/responses/{queued['id']}?stream=true")
        assert [event["sequence_number"] for event in events] == list(range(len(events)))


async def test_what_was_being_made_when_the_server_died_has_failed() -> None:
    app = make_app("Hello!")
    async with client_of(app) as client:
        app.background[-1].wake = lambda: None  # type: ignore[method-assign]
        queued = await create(client)
    assert ResponseJobs(app.database).take(queued["id"], 1)  # and then nothing was heard of it any more
    again = restarted(app, script="Hello!")
    async with serving(again) as client:
        done = await ended(client, queued["id"])
        assert (done["status"], done["error"]["message"]) == ("failed", background.LOST)
        events = await events_of(client, f"/v1/responses/{queued['id']}?stream=true&starting_after=1")
        assert [event["type"] for event in events] == ["error", "response.failed"]
    assert engine_of(again).submissions == []


async def test_it_joins_its_conversation() -> None:
    async with serving(make_app("Hello!")) as client:
        conversation = (await client.post("/v1/conversations", json={})).json()
        queued = await create(client, conversation=conversation["id"])
        await ended(client, queued["id"])
        items = (await client.get(f"/v1/conversations/{conversation['id']}/items")).json()["data"]
        assert [item["role"] for item in items] == ["assistant", "user"]


async def test_a_key_that_is_revoked_meanwhile_makes_nothing() -> None:
    app = make_app("Hello!")
    async with client_of(app) as client:
        runner = app.background[-1]
        wake, runner.wake = runner.wake, lambda: None  # type: ignore[method-assign]
        queued = await create(client)
        app.keys.revoke(ResponseJobs(app.database).waiting()[0].key_id)
        wake()
        with anyio.fail_after(5):
            while ResponseJobs(app.database).waiting() or runner._running:  # type: ignore[attr-defined]
                await anyio.sleep(0.01)
    rows = app.database.read("SELECT status FROM responses WHERE id = ?", (queued["id"],))
    assert rows[0]["status"] == "failed"
    assert engine_of(app).submissions == []


async def test_what_waits_for_its_turn_is_made_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long that takes: it is not taken for lost."""
    monkeypatch.setattr(background, "BEAT_SECONDS", 0.02)
    app = make_app("Hi!", delay=0.1)
    async with serving(app) as client:
        runner = next(work for work in app.background if isinstance(work, background.BackgroundResponses))
        runner._at_once = 1
        waiting = [await create(client) for _ in range(3)]
        statuses = [(await ended(client, response["id"]))["status"] for response in waiting]
    assert statuses == ["completed"] * 3


async def test_a_project_has_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_OPEN", 2)
    app = make_app()
    async with client_of(app) as client:
        for _ in range(2):
            await create(client)
        refused = await client.post("/v1/responses", json={"input": "Hi", "background": True})
        assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")
        other = app.keys.create(project="other").secret
        allowed = await client.post(
            "/v1/responses", json={"input": "Hi", "background": True}, headers={"authorization": f"Bearer {other}"}
        )
        assert allowed.status_code == 200


async def test_a_project_follows_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "MAX_FOLLOWERS", 1)
    app = make_app()
    async with serving(app) as client:
        response = await create(client)
        await ended(client, response["id"])
        path = f"/v1/responses/{response['id']}?stream=true"
        for _ in range(2):  # one after the other
            assert (await events_of(client, path))[-1]["type"] == "response.completed"
        runner = next(work for work in app.background if isinstance(work, background.BackgroundResponses))
        caller = callers.recall(app.keys, app.keys.list()[0].id)
        async with aclosing(runner.follow(caller, response["id"])) as events:
            await anext(events)
            assert (await client.get(path)).status_code == 429
        assert (await client.get(path)).status_code == 200


async def test_a_server_whose_clock_is_wrong_buries_nothing_that_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life are written and compared by the clock of the database, which all its servers share."""
    app = make_app("word " * 500, delay=0.005)
    monkeypatch.setattr(SQLite, "now", lambda _: 1_000_000.0)
    async with serving(app) as client:
        response = await create(client)
        with anyio.fail_after(5):
            while not engine_of(app).num_running:
                await anyio.sleep(0.01)
        monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)
        async with serving(restarted(app, script="Hello!")):
            await anyio.sleep(0.1)
        assert (await client.get(f"/v1/responses/{response['id']}")).json()["status"] == "in_progress"
        await client.post(f"/v1/responses/{response['id']}/cancel")

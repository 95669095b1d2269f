"""What responses keep, and for whom: zero retention, other projects, permissions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from owngpt.server.asgi import create_app
from owngpt.server.auth import INSIDE
from owngpt.service.app import App, Caller
from owngpt.store.project_settings import ModelRule
from owngpt.store.projects import Projects
from tests.fakes.engine import client_of, engine_of, make_app

pytestmark = pytest.mark.anyio
SECRET = "The launch code is 4-7-1-1."


def client_as(app: App, caller: Caller) -> httpx.AsyncClient:
    """A client whose every request is this caller's."""
    server = create_app(app)

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        await server({**scope, INSIDE: caller}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(inside), base_url="http://owngpt.test")


def caller(app: App, name: str = "default", **options: Any) -> Caller:
    project = Projects(app.database).ensure(name)
    return Caller(project.id, project.name, project.organization_id, "key_1", is_admin=False, **options)


def written(app: App) -> str:
    """All that the tables of responses hold."""
    tables = ("responses", "response_items", "response_events", "conversation_items", "chat_completions", "receipts")
    return str([app.database.read(f"SELECT * FROM {table}") for table in tables])


async def test_zero_retention_writes_nothing() -> None:
    app = make_app(SECRET)
    async with client_as(app, caller(app, keeps_nothing=True)) as client:
        for stream in (False, True):
            answer = await client.post("/v1/responses", json={"input": SECRET, "stream": stream})
            assert answer.status_code == 200
            assert '"store":false' in answer.text
        refused = [
            {"input": "Hi", "background": True},
            {"input": "Hi", "conversation": "conv_1"},
        ]
        for body in refused:
            assert (await client.post("/v1/responses", json=body)).status_code == 400
        assert (await client.post("/v1/conversations", json={})).status_code == 400
    assert SECRET not in written(app)


async def test_a_server_that_keeps_nothing_says_so() -> None:
    app = make_app(SECRET)
    app.settings = replace(app.settings, store="never")
    async with client_of(app) as client:
        assert (await client.post("/v1/responses", json={"input": SECRET})).json()["store"] is False
        refused = await client.post("/v1/responses", json={"input": SECRET, "store": True})
        assert refused.json()["error"]["param"] == "store"
    assert SECRET not in written(app)


async def test_nothing_of_another_project_can_be_referred_to() -> None:
    app = make_app("<think>\nHm.\n</think>\n\nYes.")
    async with client_as(app, caller(app, "one")) as client:
        body = {"input": SECRET, "include": ["reasoning.encrypted_content"]}
        first = (await client.post("/v1/responses", json=body)).json()
        talk = (await client.post("/v1/conversations", json={})).json()["id"]
        compacted = (await client.post("/v1/responses/compact", json={"model": "fake", "input": SECRET})).json()
    thought, message = first["output"]
    references: list[dict[str, Any]] = [
        {"input": "Hi", "previous_response_id": first["id"]},
        {"input": "Hi", "conversation": talk},
        {"input": [{"type": "item_reference", "id": message["id"]}]},
        {"input": [{"type": "reasoning", "summary": [], "encrypted_content": thought["encrypted_content"]}]},
        {"input": [compacted["output"][-1]]},
    ]
    num_submissions = len(engine_of(app).submissions)
    async with client_as(app, caller(app, "two")) as client:
        for body in references:
            for path in ("/v1/responses", "/v1/responses/input_tokens"):
                answer = await client.post(path, json=body)
                assert answer.status_code in (400, 404), answer.text
                assert SECRET not in answer.text
        for path in (f"/v1/responses/{first['id']}", f"/v1/conversations/{talk}"):
            assert (await client.get(path)).status_code == 404
            assert (await client.delete(path)).status_code == 404
    assert len(engine_of(app).submissions) == num_submissions


async def test_a_model_that_is_not_permitted_does_not_exist() -> None:
    app = make_app("Hello!")
    async with client_as(app, caller(app, models=ModelRule("allow_list", ("other",)))) as client:
        answer = await client.post("/v1/responses", json={"input": "Hi", "model": "fake"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "model_not_found")


async def test_file_search_can_be_switched_off_for_a_project() -> None:
    app = make_app("Hello!")
    tool = {"type": "file_search", "vector_store_ids": ["vs_1"]}
    async with client_as(app, caller(app, disabled_tools=frozenset({"file_search"}))) as client:
        assert (await client.post("/v1/responses", json={"input": "Hi", "tools": [tool]})).status_code == 403

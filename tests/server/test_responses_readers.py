"""Stored answers are for whoever may read what they were made from, also when that changes later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import anyio
import httpx
import pytest

from owngpt.service.app import App
from owngpt.store.db import Database
from tests.fakes.engine import client_of, engine_of, make_app

pytestmark = pytest.mark.anyio
SECRET = "The board takes leave in August, all of it."


class House(NamedTuple):
    """A store with one document, and two keys of the same project."""

    app: App
    chair: httpx.AsyncClient
    clerk: httpx.AsyncClient
    store: str
    file: str

    @property
    def request(self) -> dict[str, Any]:
        tools = [{"type": "file_search", "vector_store_ids": [self.store]}]
        return {"input": "When does the board take leave?", "tools": tools}

    async def keep_from_clerk(self) -> None:
        own = next(key.id for key in self.app.keys.list() if key.name != "clerk")
        path = f"/v1/vector_stores/{self.store}/files/{self.file}"
        changed = await self.chair.post(path, json={"attributes": {"readers": f"key:{own}"}})
        assert changed.status_code == 200, changed.text


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    app = make_app("In August.", database=database, embedder=False)
    async with AsyncExitStack() as stack:
        chair = await stack.enter_async_context(client_of(app))
        clerk = await stack.enter_async_context(client_of(app, app.keys.create("clerk").secret))
        store = (await chair.post("/v1/vector_stores", json={})).json()["id"]
        sent = await chair.post("/v1/files", files={"file": ("a.txt", SECRET.encode())}, data={"purpose": "assistants"})
        file = sent.json()["id"]
        await chair.post(f"/v1/vector_stores/{store}/files", json={"file_id": file})
        await app.ingest.idle()
        app.wake()
        yield House(app, chair, clerk, store, file)
        await app.drain()
    app.ingest.close()


async def answered(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await client.post("/v1/responses", json=body)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    with anyio.fail_after(10):
        while document["status"] in ("queued", "in_progress"):
            await anyio.sleep(0.02)
            document = (await client.get(f"/v1/responses/{document['id']}")).json()
    assert document["status"] == "completed", document
    return document


def paths_of(response: dict[str, Any]) -> list[tuple[str, str]]:
    path = f"/v1/responses/{response['id']}"
    return [("GET", path), ("GET", f"{path}/input_items"), ("POST", f"{path}/cancel"), ("DELETE", path)]


@pytest.mark.parametrize("background", [False, True])
async def test_an_answer_is_for_those_who_may_read_its_sources(house: House, background: bool) -> None:
    first = await answered(house.chair, **house.request, background=background)
    second = await answered(house.chair, input="Repeat that.", previous_response_id=first["id"])
    for response in (first, second):
        assert (await house.clerk.get(f"/v1/responses/{response['id']}")).status_code == 200
    await house.keep_from_clerk()
    for response in (first, second):
        for method, path in paths_of(response):
            assert (await house.clerk.request(method, path)).status_code == 404, (method, path)
        going_on = {"input": "Repeat that.", "previous_response_id": response["id"]}
        num_prompts = len(engine_of(house.app).submissions)
        assert (await house.clerk.post("/v1/responses", json=going_on)).status_code == 400
        item = {"type": "item_reference", "id": response["output"][-1]["id"]}
        referred = await house.clerk.post("/v1/responses", json={"input": [item]})
        assert (referred.status_code, "not found" in referred.text) == (400, True)
        assert len(engine_of(house.app).submissions) == num_prompts
    found = await house.chair.get(f"/v1/responses/{first['id']}", params={"include": "file_search_call.results"})
    assert SECRET in found.text


async def test_it_stays_so_when_the_file_is_gone(house: House) -> None:
    await house.keep_from_clerk()
    response = await answered(house.chair, **house.request)
    await house.chair.delete(f"/v1/files/{house.file}")
    assert (await house.clerk.get(f"/v1/responses/{response['id']}")).status_code == 404
    assert (await house.chair.get(f"/v1/responses/{response['id']}")).status_code == 200
    assert (await house.chair.delete(f"/v1/responses/{response['id']}")).status_code == 200
    assert house.app.database.read("SELECT owner_id FROM answer_sources") == []


async def test_a_conversation_is_for_those_who_may_read_what_was_quoted_in_it(house: House) -> None:
    conversation = (await house.chair.post("/v1/conversations", json={})).json()["id"]
    response = await answered(house.chair, **house.request, conversation=conversation)
    path, item = f"/v1/conversations/{conversation}", response["output"][-1]["id"]
    assert (await house.clerk.get(f"{path}/items")).status_code == 200
    await house.keep_from_clerk()
    for method, place, body in (
        ("GET", path, None),
        ("GET", f"{path}/items", None),
        ("GET", f"{path}/items/{item}", None),
        ("POST", f"{path}/items", {"items": [{"role": "user", "content": "Hi"}]}),
        ("POST", path, {"metadata": {}}),
        ("DELETE", f"{path}/items/{item}", None),
        ("DELETE", path, None),
        ("POST", "/v1/responses", {"input": "Repeat that.", "conversation": conversation}),
    ):
        assert (await house.clerk.request(method, place, json=body)).status_code == 404, (method, place)
    assert (await house.chair.get(f"{path}/items")).status_code == 200
    assert (await house.chair.delete(path)).status_code == 200


@pytest.mark.parametrize("background", [False, True])
async def test_what_holds_the_text_of_a_file_is_for_its_readers(house: House, background: bool) -> None:
    own = next(key.id for key in house.app.keys.list() if key.name != "clerk")
    form = {"purpose": "user_data", "readers": f"key:{own}"}
    sent = await house.chair.post("/v1/files", files={"file": ("a.txt", SECRET.encode())}, data=form)
    message = {"role": "user", "content": [{"type": "input_file", "file_id": sent.json()["id"]}]}
    response = await answered(house.chair, input=[message], background=background)
    conversation = (await house.chair.post("/v1/conversations", json={"items": [message]})).json()
    for path in (f"/v1/responses/{response['id']}/input_items", f"/v1/conversations/{conversation['id']}/items"):
        assert (await house.clerk.get(path)).status_code == 404
        assert SECRET in (await house.chair.get(path)).text


async def test_what_is_copied_is_for_those_who_may_read_where_it_came_from(house: House) -> None:
    """An item that is referred to, or sent again with what a search had found, brings its sources along."""
    found = await answered(house.chair, **house.request, include=["file_search_call.results"])
    search, message = found["output"]
    reference = {"type": "item_reference", "id": message["id"]}
    copies = [
        await answered(house.chair, input=[{"role": "user", "content": "Repeat that."}, reference]),
        await answered(house.chair, input=[{"role": "user", "content": "Sum it up."}, search]),
    ]
    conversation = (await house.chair.post("/v1/conversations", json={"items": [reference]})).json()["id"]
    later = (await house.chair.post("/v1/conversations", json={})).json()["id"]
    added = await house.chair.post(f"/v1/conversations/{later}/items", json={"items": [reference]})
    assert added.status_code == 200, added.text
    paths = [f"/v1/responses/{copy['id']}" for copy in copies]
    paths += [f"/v1/conversations/{place}/items" for place in (conversation, later)]
    for path in paths:
        assert (await house.clerk.get(path)).status_code == 200
    await house.keep_from_clerk()
    for path in paths:
        assert (await house.chair.get(path)).status_code == 200
        assert (await house.clerk.get(path)).status_code == 404, path


async def test_nothing_is_half_deleted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that dies between an answer and what is kept beside it leaves both."""
    response = await answered(house.chair, **house.request)
    with monkeypatch.context() as patch:
        patch.setattr(house.app.privacy, "drop", lambda *_: 1 / 0)
        assert (await house.chair.delete(f"/v1/responses/{response['id']}")).status_code == 500
    assert (await house.chair.get(f"/v1/responses/{response['id']}")).status_code == 200
    assert (await house.chair.delete(f"/v1/responses/{response['id']}")).status_code == 200

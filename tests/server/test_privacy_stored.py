"""No canary leaks from what is stored and read again: responses, conversations, chats, batches, vector stores."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from typing import Any

import httpx
import pytest

from owngpt.service.app import App
from owngpt.service.privacy import Policy
from owngpt.trust.pii import Detector
from tests.clients.serving import running
from tests.fakes.canaries import ALL, app_with, echo, leaks, on_disk
from tests.fakes.engine import client_of, engine_of
from tests.server.test_responses_socket import ask, connected

pytestmark = pytest.mark.anyio

FUNCTION = {"type": "function", "name": "f", "description": ALL, "parameters": {"type": "object", "title": ALL}}
RESPONSE: dict[str, Any] = {
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": ALL}]},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": json.dumps({"a": ALL})},
        {"type": "function_call_output", "call_id": "call_1", "output": json.dumps({"a": ALL})},
        {"role": "user", "content": ALL},
    ],
    "instructions": ALL,
    "tools": [FUNCTION],
    "tool_choice": "none",
    "metadata": {"a": ALL},
    "user": ALL,
    "something_unknown": {"a": ALL},
}


def nothing_leaked(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Not to the engine, not to the disk, not to the log."""
    assert engine_of(app).submissions or True
    for submission in engine_of(app).submissions:
        assert leaks(echo(submission).encode()) == []
    assert leaks(on_disk(app)) == []
    assert leaks(caplog.text.encode()) == []


def events(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]


def text_of(document: dict[str, Any]) -> str:
    return "".join(part["text"] for item in document["output"] for part in item.get("content") or ())


@pytest.mark.parametrize("stream", [False, True])
async def test_responses(stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    app = app_with(script=echo)
    async with client_of(app) as client:
        answer = await client.post("/v1/responses", json={**RESPONSE, "stream": stream})
        assert answer.status_code == 200, answer.text
        document = events(answer)[-1]["response"] if stream else answer.json()
        assert document["status"] == "completed", document
        assert ALL in text_of(document)
        if stream:
            deltas = [e["delta"] for e in events(answer) if e["type"] == "response.output_text.delta"]
            assert ALL in "".join(deltas)
        stored = (await client.get(f"/v1/responses/{document['id']}")).json()
        assert text_of(stored) == text_of(document)
        inputs = (await client.get(f"/v1/responses/{document['id']}/input_items")).json()["data"]
        assert any(item.get("content", [{}])[0].get("text") == ALL for item in inputs if item["type"] == "message")
        follows = {"input": "next: hanako@example.com", "previous_response_id": document["id"]}
        following = await client.post("/v1/responses", json=follows)
        assert following.status_code == 200, following.text
        assert "hanako@example.com" in text_of(following.json())
        assert "zq-canary@example.com" in text_of(following.json())
    assert "<EMAIL_2>" in echo(engine_of(app).submissions[-1])
    nothing_leaked(app, caplog)


async def test_conversations(caplog: pytest.LogCaptureFixture) -> None:
    app = app_with(script=echo)
    async with client_of(app) as client:
        item = {"type": "message", "role": "user", "content": ALL}
        made = await client.post("/v1/conversations", json={"items": [item], "metadata": {"a": ALL}})
        assert made.status_code == 200, made.text
        path = f"/v1/conversations/{made.json()['id']}"
        added = await client.post(f"{path}/items", json={"items": [item]})
        assert added.json()["data"][0]["content"][0]["text"] == ALL
        assert (await client.post(path, json={"metadata": {"b": ALL}})).json()["metadata"] == {"b": ALL}
        answer = await client.post("/v1/responses", json={"input": "hi", "conversation": made.json()["id"]})
        assert answer.status_code == 200, answer.text
        assert ALL in text_of(answer.json())
        listed = (await client.get(f"{path}/items")).json()["data"]
        assert [item["content"][0]["text"] for item in listed if item["role"] == "user"] == ["hi", ALL, ALL]
        assert (await client.get(path)).json()["metadata"] == {"b": ALL}
    nothing_leaked(app, caplog)


async def test_background_responses(caplog: pytest.LogCaptureFixture) -> None:
    app = app_with(script=echo)
    async with client_of(app) as client:
        made = (await client.post("/v1/responses", json={**RESPONSE, "background": True})).json()
        path = f"/v1/responses/{made['id']}"
        async with asyncio.timeout(10):
            while (document := (await client.get(path)).json())["status"] in ("queued", "in_progress"):
                await asyncio.sleep(0.02)
        assert document["status"] == "completed", document
        assert ALL in text_of(document)
        followed = events(await client.get(path, params={"stream": "true"}))
        assert ALL in "".join(e["delta"] for e in followed if e["type"] == "response.output_text.delta")
    await app.drain()
    nothing_leaked(app, caplog)


async def test_other_ways_to_read_a_response(caplog: pytest.LogCaptureFixture) -> None:
    app = app_with(script="A summary for zq-canary@example.com.")
    async with client_of(app) as client:
        counted = await client.post("/v1/responses/input_tokens", json={"input": ALL})
        assert counted.status_code == 200, counted.text
        compacted = await client.post("/v1/responses/compact", json={"input": ALL, "model": "fake"})
        assert compacted.status_code == 200, compacted.text
    nothing_leaked(app, caplog)


async def test_stored_chats(caplog: pytest.LogCaptureFixture) -> None:
    app = app_with(script=echo)
    async with client_of(app) as client:
        body = {"messages": [{"role": "user", "content": ALL}], "store": True, "metadata": {"a": ALL}}
        made = (await client.post("/v1/chat/completions", json=body)).json()
        path = f"/v1/chat/completions/{made['id']}"
        read = (await client.get(path)).json()
        assert read["choices"][0]["message"]["content"] == made["choices"][0]["message"]["content"]
        assert read["metadata"] == {"a": ALL}
        assert (await client.get(f"{path}/messages")).json()["data"][0]["content"] == ALL
        listed = (await client.get("/v1/chat/completions")).json()["data"]
        assert listed[0]["choices"] == read["choices"]
        assert (await client.post(path, json={"metadata": {"b": ALL}})).json()["metadata"] == {"b": ALL}
    nothing_leaked(app, caplog)


async def test_a_policy_that_is_switched_on_later_masks_what_is_stored(caplog: pytest.LogCaptureFixture) -> None:
    app = app_with(Policy(), echo)
    async with client_of(app) as client:
        made = (await client.post("/v1/responses", json={"input": ALL})).json()
        [key] = app.keys.list()
        with app.database.write() as transaction:
            app.privacy.set_policy(transaction, key.project_id, Policy("mask"))
        app.privacy.forget()
        engine_of(app).submissions.clear()
        answer = await client.post("/v1/responses", json={"input": "go on", "previous_response_id": made["id"]})
        assert answer.status_code == 200, answer.text
    prompt = echo(engine_of(app).submissions[0])
    assert "zq-canary" not in prompt
    assert "090-8765" not in prompt


async def test_a_policy_that_is_switched_off_later_restores_what_is_stored() -> None:
    app = app_with(script=echo)
    async with client_of(app) as client:
        made = (await client.post("/v1/responses", json={"input": ALL})).json()
        [key] = app.keys.list()
        with app.database.write() as transaction:
            app.privacy.set_policy(transaction, key.project_id, None)
        app.privacy.forget()
        assert ALL in text_of((await client.get(f"/v1/responses/{made['id']}")).json())


async def test_what_is_deleted_takes_its_placeholders_along() -> None:
    app = app_with()
    async with client_of(app) as client:
        made = (await client.post("/v1/responses", json={"input": ALL})).json()
        assert app.database.read("SELECT owner_id FROM privacy_vaults") == [{"owner_id": made["id"]}]
        await client.delete(f"/v1/responses/{made['id']}")
    assert app.database.read("SELECT owner_id FROM privacy_vaults") == []


async def test_vector_stores(caplog: pytest.LogCaptureFixture) -> None:
    """What is searched, quoted and shown to a model is blank where it was personal; other words keep their places."""
    app = app_with(script=echo)
    text = f"# Rules for {ALL}\n\nThe wizard says: {ALL} Bring your own broom."
    async with client_of(app) as client:
        store = (await client.post("/v1/vector_stores", json={"name": "s"})).json()["id"]
        sent = await client.post("/v1/files", files={"file": ("a.md", text.encode())}, data={"purpose": "assistants"})
        await client.post(f"/v1/vector_stores/{store}/files", json={"file_id": sent.json()["id"]})
        await app.ingest.idle()
        query = {"query": "wizard broom zq-canary@example.com"}
        search = await client.post(f"/v1/vector_stores/{store}/search", json=query)
        assert search.status_code == 200, search.text
        assert search.json()["search_query"] == [query["query"]]
        found = search.json()["data"]
        assert leaks(search.content.replace(query["query"].encode(), b"")) == []
        shown = "".join(chunk["content"][0]["text"] for chunk in found)
        assert "The wizard says:" in shown
        assert "●" in shown
        assert (await client.get(f"/v1/files/{sent.json()['id']}/content")).text == text  # its owner's file stays whole
        tools = [{"type": "file_search", "vector_store_ids": [store]}]
        asked = {"input": "what of the wizard?", "tools": tools, "include": ["file_search_call.results"]}
        for stream in (False, True):
            answer = await client.post("/v1/responses", json={**asked, "stream": stream})
            assert answer.status_code == 200, answer.text
            assert leaks(answer.content) == []
    for chunk in app.chunks.list(store, sent.json()["id"]):
        assert leaks(" ".join([chunk.text, *chunk.headings]).encode()) == []
        said = text[chunk.start : chunk.end]
        assert all(new in (old, "●") for old, new in zip(said, chunk.text, strict=True))
    for submission in engine_of(app).submissions:
        assert leaks(echo(submission).encode()) == []
    embedder: Any = app.models.embedders[0].embedder
    assert leaks(b"\0".join(bytes(i for i in ids if i < 256) for ids in embedder.inputs[:1])) == []
    assert leaks(caplog.text.encode()) == []
    await app.ingest.rest()
    app.ingest.close()


async def test_a_file_that_cannot_be_looked_through_gets_into_no_index() -> None:
    app = app_with()
    app.privacy._detector = Failing()
    async with client_of(app) as client:
        store = (await client.post("/v1/vector_stores", json={})).json()["id"]
        sent = await client.post("/v1/files", files={"file": ("a.txt", ALL.encode())}, data={"purpose": "assistants"})
        file_id = sent.json()["id"]
        await client.post(f"/v1/vector_stores/{store}/files", json={"file_id": file_id})
        await app.ingest.idle()
        state = (await client.get(f"/v1/vector_stores/{store}/files/{file_id}")).json()
    assert state["status"] == "failed"
    assert leaks(json.dumps(state, ensure_ascii=False).encode()) == []
    assert app.chunks.list(store, file_id) == []
    await app.ingest.rest()
    app.ingest.close()


class Failing(Detector):
    def find(self, *args: Any, **kwargs: Any) -> Any:
        raise ValueError(ALL)


async def test_documents_that_come_along(caplog: pytest.LogCaptureFixture) -> None:
    app = app_with(script=echo)
    documents = [{"id": "d", "text": f"The wizard says: {ALL} Bring a broom."}]
    body = {"messages": [{"role": "user", "content": "what of the wizard?"}], "documents": documents}
    async with client_of(app) as client:
        for stream in (False, True):
            answer = await client.post("/v1/chat/completions", json={**body, "stream": stream})
            assert answer.status_code == 200, answer.text
            assert leaks(answer.content) == []
    nothing_leaked(app, caplog)


async def test_batches(caplog: pytest.LogCaptureFixture) -> None:
    """The model sees placeholders; the output file, like the input file beside it, has the caller's own values."""
    app = app_with(script=echo)
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions"}
    lines = json.dumps({**line, "body": {"model": "fake", "messages": [{"role": "user", "content": ALL}]}})
    async with client_of(app) as client:
        sent = await client.post("/v1/files", files={"file": ("a.jsonl", lines.encode())}, data={"purpose": "batch"})
        order = {"input_file_id": sent.json()["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = (await client.post("/v1/batches", json=order)).json()
        async with asyncio.timeout(10):
            while batch["status"] not in ("completed", "failed"):
                await asyncio.sleep(0.02)
                batch = (await client.get(f"/v1/batches/{batch['id']}")).json()
        assert batch["status"] == "completed", batch
        output = (await client.get(f"/v1/files/{batch['output_file_id']}/content")).json()
        assert ALL in output["response"]["body"]["choices"][0]["message"]["content"]
    for submission in engine_of(app).submissions:
        assert leaks(echo(submission).encode()) == []
    assert leaks(caplog.text.encode()) == []
    await app.drain()


def test_websockets(caplog: pytest.LogCaptureFixture) -> None:
    app = app_with(script=echo)
    with running(app) as server, connected(server) as socket:
        first = ask(socket, input=ALL, store=False)[-1]["response"]
        assert ALL in text_of(first)
        follows = {"input": "mail hanako@example.com", "previous_response_id": first["id"], "store": False}
        second = ask(socket, **follows)[-1]["response"]
        assert ALL in text_of(second)
        assert "hanako@example.com" in text_of(second)
    for submission in engine_of(app).submissions:
        assert leaks(echo(submission).encode()) == []
        assert "hanako" not in echo(submission)


class Flaky(Detector):
    """Raises now and then."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._dice = random.Random(seed)

    def find(self, *args: Any, **kwargs: Any) -> Any:
        if self._dice.random() < 0.03:
            raise ValueError(ALL)
        return super().find(*args, **kwargs)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses"])
async def test_wherever_looking_fails_nothing_leaks(path: str, stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Some requests fail before the model, some while it answers, some when the answer is stored, some not at all."""
    app = app_with(script=f"Well, {ALL} And so on, as you see. " * 2)
    bodies = {
        "/v1/chat/completions": {"messages": [{"role": "user", "content": ALL}], "store": True},
        "/v1/completions": {"prompt": ALL, "max_tokens": 3000, "store": True},
        "/v1/responses": {"input": ALL},
    }
    codes = set()
    async with client_of(app) as client:
        for seed in range(12):
            app.privacy._detector = Flaky(seed)
            body = json.loads(json.dumps(bodies[path]).replace(json.dumps(ALL)[1:-1], "I am taro@example.com"))
            response = await client.post(path, json={**body, "stream": stream})
            codes.add("privacy_failed" in response.text)
            assert leaks(response.content) == []
    assert codes == {False, True}
    nothing_leaked(app, caplog)

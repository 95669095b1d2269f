"""No canary leaks: not to the engine, the disk, the log or another project; and its owner gets it back."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from owngpt.config import PrivacyConfig
from owngpt.service.app import App
from owngpt.service.privacy import Policy
from owngpt.trust.pii import Detector
from tests.fakes.canaries import ALL, VALUES, app_with, echo, leaks, on_disk, post
from tests.fakes.engine import FakeEmbedder, Submission, client_of, engine_of, make_app

pytestmark = pytest.mark.anyio

TOOL = {
    "type": "function",
    "function": {"name": "f", "description": ALL, "parameters": {"type": "object", "title": ALL}},
}
CHAT: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": ALL},
        {"role": "user", "content": [{"type": "text", "text": ALL}], "name": "Klaus Obermayer"},
        {
            "role": "assistant",
            "content": ALL,
            "reasoning_content": ALL,
            "tool_calls": [{"id": ALL, "function": {"name": "f", "arguments": json.dumps({"a": ALL})}}],
        },
        {"role": "tool", "tool_call_id": ALL, "content": json.dumps({"a": ALL})},
        {"role": "user", "content": ALL},
    ],
    "tools": [TOOL],
    "tool_choice": "none",
    "prediction": {"type": "content", "content": ALL},
    "metadata": {"a": ALL},
    "user": ALL,
    "prompt_cache_key": ALL,
    "chat_template_kwargs": {"a": ALL},
    "something_unknown": {"a": ALL},
    "stop": [f"§{value}" for value in VALUES][:16],
    "store": True,
}
COMPLETION = {
    "prompt": ALL,
    "suffix": None,
    "max_tokens": 3000,
    "user": ALL,
    "stop": "§§",
    "store": True,
    "unknown": [ALL],
}
FIM = {
    **COMPLETION,
    "suffix": ALL,
    "context": [{"path": "a.py", "text": ALL}],
    "repository": "a",
    "mode": "raw",
}
PATHS = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETION,
    "/v1/completions?echo": {**COMPLETION, "echo": True},
    "/v1/fim/completions": FIM,
}


def said(response: httpx.Response) -> str:
    """All text of an answer, whole or streamed."""
    if "text/event-stream" not in response.headers["content-type"]:
        documents = [response.json()]
    else:
        lines = [line[6:] for line in response.text.split("\n\n") if line.startswith("data: {")]
        documents = [json.loads(line) for line in lines]
    choices = [choice for document in documents for choice in document["choices"]]
    parts = [choice.get("message") or choice.get("delta") or {"content": choice.get("text")} for choice in choices]
    return "".join(part.get("content") or "" for part in parts)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PATHS)
async def test_no_canary_leaks(path: str, stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    app = app_with(script=echo)
    response = await post(app, path, {**PATHS[path], "stream": stream})
    assert response.status_code == 200, response.text
    for submission in engine_of(app).submissions:
        prompt = echo(submission)
        assert leaks(prompt.encode()) == []
        assert leaks(" ".join(submission.sampling.stop).encode()) == []
        assert leaks(bytes(i for i in submission.sampling.prediction if i < 256)) == []
    assert ALL in said(response)  # the caller's own values come back, character for character
    assert leaks(on_disk(app)) == []
    assert leaks(caplog.text.encode()) == []


@pytest.mark.parametrize("stream", [False, True])
async def test_without_restore_the_caller_sees_placeholders(stream: bool) -> None:
    app = app_with(Policy("mask", restore=False), echo)
    answer = said(await post(app, "/v1/chat/completions", {"messages": CHAT["messages"], "stream": stream}))
    assert "<EMAIL_1>" in answer
    assert "zq-canary" not in answer


async def test_what_the_model_says_of_others_is_masked() -> None:
    app = app_with(script="Ask zq-canary@example.com, or 伊集院 光太郎様, or <EMAIL_1>.")
    body = {"messages": [{"role": "user", "content": "taro@example.com"}]}
    for stream in (False, True):
        answer = said(await post(app, "/v1/chat/completions", {**body, "stream": stream}))
        assert answer == "Ask <EMAIL_2>, or <PERSON_1>様, or taro@example.com."


async def test_embeddings_are_of_what_is_masked() -> None:
    app = app_with()
    embedder = app.models.embedders[0].embedder
    assert isinstance(embedder, FakeEmbedder)
    embedder.max_input_tokens = 10_000
    tokens = list(ALL.encode())
    response = await post(app, "/v1/embeddings", {"input": [ALL, "ok"], "user": ALL})
    assert response.status_code == 200, response.text
    response = await post(app, "/v1/embeddings", {"input": tokens})
    assert response.status_code == 200, response.text
    for ids in embedder.inputs:
        assert leaks(bytes(i for i in ids if i < 256)) == []
    assert leaks(on_disk(app)) == []


async def test_token_ids_are_read_and_masked_also_in_what_is_kept() -> None:
    app = app_with(script=echo)
    response = await post(app, "/v1/completions", {"prompt": list(ALL.encode()), "max_tokens": 3000, "store": True})
    assert response.status_code == 200, response.text
    assert leaks(echo(engine_of(app).submissions[0]).encode()) == []
    assert said(response) == ALL
    [kept] = app.database.read("SELECT request FROM receipts")
    assert leaks(bytes(i for i in json.loads(kept["request"])["prompt"][0] if i < 256)) == []


async def test_token_ids_without_personal_data_stay_the_very_same() -> None:
    app = app_with()
    await post(app, "/v1/completions", {"prompt": [104, 105, 33]})
    assert engine_of(app).submissions[0].prompt == [104, 105, 33]


async def test_arguments_of_calls_are_restored_inside_json() -> None:
    call = '<tool_call>\n{"name": "f", "arguments": {"to": "<SECRET_1>", "cc": "hanako@example.com"}}\n</tool_call>'
    app = app_with(script=call)
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    body = {"messages": [{"role": "user", "content": "password: a\\b-7"}], "tools": [tool]}
    for stream in (False, True):
        response = await post(app, "/v1/chat/completions", {**body, "stream": stream})
        assert json.loads(arguments(response)) == {"to": "a\\b-7", "cc": "<EMAIL_1>"}


def arguments(response: httpx.Response) -> str:
    if "text/event-stream" not in response.headers["content-type"]:
        return response.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    lines = [json.loads(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: {")]
    deltas = [line["choices"][0]["delta"] for line in lines]
    return "".join(call["function"].get("arguments", "") for delta in deltas for call in delta.get("tool_calls", ()))


async def test_placeholders_fit_into_formats() -> None:
    """The model may write the placeholder where the schema wants an address; the caller gets what the schema wants."""
    app = app_with(Policy("mask"), '{"to": "<EMAIL_1>"}')
    address = {"type": "string", "format": "email", "description": "whom to write to"}
    schema = {"type": "object", "properties": {"to": address}, "required": ["to"], "additionalProperties": False}
    body = {
        "messages": [{"role": "user", "content": "taro@example.com", "format": "email", "type": "string"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": schema}},
    }
    response = await post(app, "/v1/chat/completions", body)
    assert json.loads(said(response)) == {"to": "taro@example.com"}
    constraint = engine_of(app).submissions[0].constraint
    assert constraint is not None
    assert '"pattern":"^<EMAIL_[1-9][0-9]{0,3}>$"' in constraint.grammar.replace(": ", ":")
    assert '"format":"email"' in constraint.grammar.replace(": ", ":")


async def test_blocking_names_types_and_the_path() -> None:
    app = app_with(Policy("block"))
    response = await post(app, "/v1/chat/completions", {"messages": [{"role": "user", "content": ALL}]})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "pii_blocked", "messages[0].content")
    assert "EMAIL" in error["message"]
    assert leaks(response.content) == []
    assert engine_of(app).submissions == []


@pytest.mark.parametrize("name", ["logprobs", "echo"])
async def test_log_probabilities_are_refused(name: str) -> None:
    app = app_with()
    chat = {"messages": [{"role": "user", "content": "hi"}], "logprobs": True}
    completion = {"prompt": "hi", "logprobs": 1, "echo": True}
    path = "/v1/chat/completions" if name == "logprobs" else "/v1/completions"
    response = await post(app, path, chat if name == "logprobs" else completion)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "logprobs"


async def test_errors_quote_placeholders() -> None:
    app = app_with()
    response = await post(app, "/v1/chat/completions", {"messages": [{"role": "zq-canary@example.com"}]})
    assert response.status_code == 400
    assert "zq-canary" not in response.text


@contextmanager
def failing(app: App) -> Iterator[None]:
    """From here on the detector raises, with content in its message."""
    find, Detector.find = Detector.find, _fail  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Detector.find = find  # type: ignore[method-assign]


def _fail(*args: Any, **kwargs: Any) -> Any:
    raise ValueError("zq-canary@example.com")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"])
async def test_when_looking_fails_the_request_fails(path: str, caplog: pytest.LogCaptureFixture) -> None:
    app = app_with()
    bodies = {"/v1/embeddings": {"input": ALL}, **PATHS}
    with failing(app):
        response = await post(app, path, bodies[path])
    assert (response.status_code, response.json()["error"]["code"]) == (500, "privacy_failed")
    assert engine_of(app).submissions == []
    assert leaks(response.content) == leaks(caplog.text.encode()) == []
    assert leaks(on_disk(app)) == []


@pytest.mark.parametrize("stream", [False, True])
async def test_when_looking_at_the_answer_fails_nothing_of_it_is_shown(stream: bool) -> None:
    def fail_from_now_on(submission: Submission) -> str:
        Detector.find = _fail  # type: ignore[method-assign, assignment]
        return "zq-canary@example.com " * 20

    find, app = Detector.find, app_with(script=fail_from_now_on)
    try:
        response = await post(
            app, "/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}], "stream": stream}
        )
    finally:
        Detector.find = find  # type: ignore[method-assign]
    assert "privacy_failed" in response.text
    assert "zq-canary" not in response.text


async def test_a_way_without_a_guard_is_closed() -> None:
    """A path of the server that forgets to look does not get through to the model."""
    from owngpt.server.routes import reply

    app, masked = app_with(), reply.masked_body

    async def forgetful(request: Any) -> bytes:
        request.state.guard = None
        return bytes(await request.body())

    reply.masked_body = forgetful  # type: ignore[assignment]
    try:
        response = await post(app, "/v1/chat/completions", CHAT | {"store": False})
        assert (response.status_code, response.json()["error"]["code"]) == (500, "privacy_failed")
        response = await post(app, "/v1/embeddings", {"input": ALL})
        assert (response.status_code, response.json()["error"]["code"]) == (500, "privacy_failed")
    finally:
        reply.masked_body = masked
    assert engine_of(app).submissions == []


async def test_a_policy_is_its_projects_alone() -> None:
    app = app_with(script=echo)
    other = app.keys.create("other", project="other").secret
    async with client_of(app, other) as client:
        body = {"messages": [{"role": "user", "content": ALL}]}
        response = await client.post("/v1/chat/completions", json=body)
    assert ALL in echo(engine_of(app).submissions[0])
    assert ALL in said(response)


async def test_the_servers_settings_hold_for_projects_without_a_policy() -> None:
    assert PrivacyConfig().pii == "off"
    app = make_app()
    app.privacy._default = Policy("block")  # as `pii = "block"` in [privacy] does
    response = await post(app, "/v1/chat/completions", {"messages": [{"role": "user", "content": ALL}]})
    assert response.json()["error"]["code"] == "pii_blocked"


@pytest.fixture
async def admin() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(make_app()) as client:
        yield client


async def test_the_policy_of_a_project(admin: httpx.AsyncClient) -> None:
    project = (await admin.get("/v1/organization/projects")).json()["data"][0]["id"]
    path = f"/v1/organization/projects/{project}/privacy"
    before = (await admin.get(path)).json()
    assert (before["object"], before["is_default"], before["mode"]) == ("project.privacy", True, "off")
    entities = {"EMAIL": "block", "PERSON": {"threshold": 0.8}}
    answer = await admin.post(path, json={"mode": "mask", "restore": False, "entities": entities})
    assert answer.status_code == 200, answer.text
    policy = (await admin.get(path)).json()
    assert policy == answer.json()
    assert policy["entities"]["EMAIL"] == {"action": "block", "threshold": 0.5}
    assert policy["entities"]["PERSON"] == {"action": "mask", "threshold": 0.8}
    assert policy["entities"]["URL"]["action"] == "off"
    chat = {"messages": [{"role": "user", "content": "taro@example.com"}]}
    assert (await admin.post("/v1/chat/completions", json=chat)).json()["error"]["code"] == "pii_blocked"
    assert (await admin.delete(path)).json() == before
    assert (await admin.post("/v1/chat/completions", json=chat)).status_code == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "mode"),
        ({"mode": "hide"}, "mode"),
        ({"mode": "mask", "threshold": 2}, "threshold"),
        ({"mode": "mask", "entities": {"SHOE_SIZE": "mask"}}, "entities"),
        ({"mode": "mask", "entities": {"EMAIL": "hide"}}, "entities.EMAIL.action"),
    ],
)
async def test_a_policy_that_makes_no_sense(admin: httpx.AsyncClient, body: dict[str, Any], param: str) -> None:
    project = (await admin.get("/v1/organization/projects")).json()["data"][0]["id"]
    response = await admin.post(f"/v1/organization/projects/{project}/privacy", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


async def test_only_admins_set_policies() -> None:
    app = make_app()
    key = app.keys.create("plain", project="other")
    async with client_of(app, key.secret) as client:
        path = f"/v1/organization/projects/{key.key.project_id}/privacy"
        assert (await client.post(path, json={"mode": "off"})).status_code == 403
        assert (await client.get("/v1/organization/projects/proj_none/privacy")).status_code in (403, 404)

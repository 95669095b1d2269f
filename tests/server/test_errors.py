"""One JSON error shape: this visits every place where an error can leave the server."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from typing import Any

import httpx
import pytest

from owngpt.config import ServerConfig
from owngpt.errors import Overloaded
from owngpt.service.app import App
from tests.fakes.engine import KEY, client_of, engine_of, make_app

pytestmark = pytest.mark.anyio

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}
BODIES = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": {"prompt": "Hi"},
    "/v1/embeddings": {"input": "Hi"},
}


def check(
    response: httpx.Response, status: int, type_: str, code: str | None = None, words: str = ""
) -> dict[str, Any]:
    """The shape that every error has."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"].startswith("req_")
    document = response.json()
    assert document.keys() == {"error"}
    error: dict[str, Any] = document["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == (type_, code)
    assert words in error["message"]
    return error


@pytest.fixture
def app() -> App:
    return make_app()


@pytest.mark.parametrize("path", [*BODIES, "/v1/models", "/v1/models/fake", "/metrics", "/v1/nowhere"])
async def test_no_key(app: App, path: str) -> None:
    async with client_of(app, key=None) as client:
        response = await (client.post(path, json=BODIES[path]) if path in BODIES else client.get(path))
        check(response, 401, "invalid_request_error", "invalid_api_key", "didn't provide")
    async with client_of(app, key="sk-own-wrong-key-0123456789") as client:
        check(await client.get(path), 401, "invalid_request_error", "invalid_api_key", "Incorrect")


async def test_unknown_url(app: App) -> None:
    async with client_of(app) as client:
        check(await client.get("/v1/nowhere"), 404, "invalid_request_error", "unknown_url", "GET /v1/nowhere")
        check(await client.post("/v1/chat/completions/"), 404, "invalid_request_error", "unknown_url")
        check(await client.get("/js/../../etc/passwd"), 404, "invalid_request_error", "unknown_url")


async def test_wrong_method(app: App) -> None:
    async with client_of(app) as client:
        for path in BODIES:
            response = await client.put(path)
            check(response, 405, "invalid_request_error", None, f"PUT {path}")
            assert "POST" in response.headers["allow"]
        check(await client.put("/v1/models/fake"), 405, "invalid_request_error")


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"hello",
        b"[]",
        b"null",
        b'"text"',
        b'{"prompt": NaN}',
        b"\xff\xfe",
        b'{"prompt": "\xff"}',
        b'{"prompt": "\\ud800"}',
        b"[" * 100_000,
        b'{"prompt":' * 10_000,
        b'{"seed": ' + b"9" * 5000 + b"}",
    ],
)
async def test_body_that_is_no_request(app: App, path: str, body: bytes) -> None:
    async with client_of(app) as client:
        check(await client.post(path, content=body), 400, "invalid_request_error")


async def test_body_with_too_many_fields(app: App) -> None:
    async with client_of(app) as client:
        response = await client.post("/v1/completions", json={f"f{i}": 1 for i in range(5000)})
    check(response, 400, "invalid_request_error", None, "5000 fields")


@pytest.mark.parametrize("path", BODIES)
async def test_empty_object_names_what_is_missing(app: App, path: str) -> None:
    async with client_of(app) as client:
        error = check(
            await client.post(path, json={}), 400, "invalid_request_error", "missing_required_parameter", "Missing"
        )
    assert error["param"] == {"chat": "messages", "comp": "prompt", "embe": "input"}[path[4:8]]


@pytest.mark.parametrize("path", BODIES)
async def test_body_over_the_limit(app: App, path: str) -> None:
    async with client_of(app) as client:
        response = await client.post(path, content=b"x" * (app.settings.server.max_body_bytes + 1))
    check(response, 413, "invalid_request_error", None, "1048576 bytes")


@pytest.mark.parametrize("path", BODIES)
async def test_unknown_model(app: App, path: str) -> None:
    async with client_of(app) as client:
        for stream in ({}, {"stream": True} if path != "/v1/embeddings" else {}):
            response = await client.post(path, json={**BODIES[path], "model": "nope", **stream})
            error = check(response, 404, "invalid_request_error", "model_not_found", "'nope' does not exist")
            assert error["param"] == "model"
        check(await client.get("/v1/models/nope"), 404, "invalid_request_error", "model_not_found")


@pytest.mark.parametrize("stream", [False, True])
async def test_prompt_longer_than_the_context(app: App, stream: bool) -> None:
    """Refused with both numbers, never cut; a stream is refused before it starts."""
    async with client_of(app) as client:
        for path, body in (
            ("/v1/completions", {"prompt": "x" * 9000}),
            ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x" * 9000}]}),
        ):
            response = await client.post(path, json={**body, "stream": stream})
            check(response, 400, "invalid_request_error", "context_length_exceeded", "4096 tokens; the prompt has 9")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
async def test_full_queue(path: str, stream: bool) -> None:
    app = make_app(refusal=Overloaded("12 choices are queued", retry_after=7))
    async with client_of(app) as client:
        response = await client.post(path, json={**BODIES[path], "stream": stream})
        many = await client.post("/v1/completions", json={"prompt": ["a", "b"], "stream": stream})
    for refused in (response, many):
        check(refused, 429, "rate_limit_error", "rate_limit_exceeded", "12 choices")
        assert refused.headers["retry-after"] == "7"


async def test_no_room_left() -> None:
    app = make_app("slow" * 20, delay=0.01, capacity=2)
    async with client_of(app) as client:
        first = asyncio.create_task(client.post("/v1/completions", json={"prompt": "a", "n": 2}))
        while not engine_of(app).submissions:
            await asyncio.sleep(0.001)
        second = await client.post("/v1/completions", json={"prompt": "a"})
        check(second, 429, "rate_limit_error", "rate_limit_exceeded")
        assert (second.headers["retry-after"], second.headers["x-ratelimit-remaining-requests"]) == ("1", "0")
        assert (await first).status_code == 200
        never = await client.post("/v1/completions", json={"prompt": "a", "n": 3})
        check(never, 400, "invalid_request_error", None, "at most 2")


@pytest.mark.parametrize("path", BODIES)
async def test_loading_and_draining(app: App, path: str) -> None:
    models, app.loaded = app.loaded, None
    async with client_of(app) as client:
        check(await client.post(path, json=BODIES[path]), 503, "server_error", None, "loading")
        check(await client.get("/ready"), 503, "server_error", None, "loading")
        assert (await client.get("/health")).status_code == 200
        app.loaded = models
        assert (await client.get("/ready")).status_code == 200
        await app.drain()
        check(await client.post(path, json=BODIES[path]), 503, "server_error", None, "stop")
        check(await client.get("/ready"), 503, "server_error")


async def test_a_server_whose_engine_has_died_is_not_ready() -> None:
    app = make_app()
    engine_of(app).is_alive = False
    async with client_of(app) as client:
        check(await client.get("/ready"), 503, "server_error", None, "the engine of fake has died")
        assert (await client.get("/health")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
async def test_engine_that_dies(path: str) -> None:
    """Before the first byte it is a 500; in a stream it is the last event, and no [DONE] pretends that all is well."""
    app = make_app("Hello", fail_after=2)
    async with client_of(app) as client:
        check(await client.post(path, json=BODIES[path]), 500, "server_error", None, "the engine died")
        response = await client.post(path, json={**BODIES[path], "stream": True})
    assert response.status_code == 200
    *_, before, last = [event for event in response.text.split("\n\n") if event]
    assert "choices" in json.loads(before.removeprefix("data: "))
    error = json.loads(last.removeprefix("data: "))["error"]
    assert error == {"message": "the engine died", "type": "server_error", "param": None, "code": None}
    assert app.limits.room.remaining == app.limits.room.capacity


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
async def test_bug_of_our_own(path: str, stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The client gets an id to quote and nothing else; the log gets the id and the traceback."""
    app = make_app(refusal=ZeroDivisionError("secret detail"))
    with caplog.at_level(logging.ERROR):
        async with client_of(app) as client:
            response = await client.post(path, json={**BODIES[path], "stream": stream})
    request_id = response.headers["x-request-id"]
    check(response, 500, "server_error", None, request_id)
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    assert request_id in caplog.text
    assert "secret detail" in caplog.text


async def test_other_origin(app: App) -> None:
    app.settings = replace(app.settings, server=ServerConfig(cors_origins=("https://chat.example",)))
    async with client_of(app) as client:
        headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
        check(await client.options("/v1/models", headers=headers), 403, "permission_error")


async def test_odd_names_in_messages_are_safe(app: App) -> None:
    """What the client sent comes back in a message, short and on one line; in a header it is plain ASCII."""
    async with client_of(app) as client:
        name = "日本\r\nset-cookie: x" * 500
        error = check(
            await client.post("/v1/completions", json={"prompt": "a", "model": name}),
            404,
            "invalid_request_error",
            "model_not_found",
        )
        assert len(error["message"]) < 1000
        fields = {f"{name}{i}": 1 for i in range(50)}
        response = await client.post("/v1/completions", json={"prompt": "a", **fields})
    ignored = response.headers["x-owngpt-ignored"]
    assert response.status_code == 200
    assert ignored.isascii()
    assert ignored.endswith("and 18 more")
    assert len(ignored) < 3000
    assert "set-cookie" not in response.headers


async def test_keys_never_come_back(app: App) -> None:
    async with client_of(app, key=KEY[:-1] + "x") as client:
        assert KEY[:-4] not in (await client.get("/v1/models")).text

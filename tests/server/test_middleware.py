from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from owngpt.server.middleware import (
    BodyLimitMiddleware,
    CrossOriginMiddleware,
    DrainMiddleware,
    HeadersMiddleware,
)
from owngpt.service.app import Caller

CALLER = Caller("proj_1", "default", "org-1", "key_1", is_admin=False)


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def blind(request: Request) -> PlainTextResponse:
    return PlainTextResponse("not read")


ROUTES = Router(routes=[Route("/echo", echo, methods=["POST", "GET"]), Route("/blind", blind, methods=["POST"])])


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://owngpt")


async def chunks(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


class SignedIn:
    """Stands for AuthMiddleware: everybody is CALLER."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["caller"] = CALLER
        await self.app(scope, receive, send)


@pytest.mark.anyio
async def test_every_answer_carries_the_headers_of_openai() -> None:
    client = client_of(HeadersMiddleware(SignedIn(ROUTES), room=lambda: (64, 60)))
    for path in ("/echo", "/nowhere"):
        headers = (await client.get(path)).headers
        assert len(headers["x-request-id"]) == len("req_") + 32
        assert int(headers["openai-processing-ms"]) < 1000
        assert headers["openai-version"] == "2020-10-01"
        assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj_1")
        assert headers["x-ratelimit-limit-requests"] == "64"
        assert headers["x-ratelimit-remaining-requests"] == "60"
        assert headers["x-ratelimit-reset-requests"] == "1s"
    assert (await client.get("/echo")).headers["x-request-id"] != headers["x-request-id"]


@pytest.mark.anyio
async def test_strangers_do_not_learn_how_busy_the_server_is() -> None:
    headers = (await client_of(HeadersMiddleware(ROUTES, room=lambda: (64, 60))).get("/echo")).headers
    assert "x-request-id" in headers
    assert not [name for name in headers if name.startswith(("x-ratelimit", "openai-project"))]


@pytest.mark.anyio
async def test_pages_of_configured_origins_may_call() -> None:
    client = client_of(CrossOriginMiddleware(ROUTES, ("https://chat.example",)))
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    preflight = await client.options("/echo", headers={"origin": "https://chat.example", **ask})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://chat.example"
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    answer = await client.post("/echo", content=b"hi", headers={"origin": "https://chat.example"})
    assert answer.headers["access-control-allow-origin"] == "https://chat.example"
    assert "x-request-id" in answer.headers["access-control-expose-headers"]


@pytest.mark.anyio
async def test_other_origins_are_refused_in_the_one_error_shape() -> None:
    client = client_of(CrossOriginMiddleware(ROUTES, ("https://chat.example",)))
    response = await client.options(
        "/echo", headers={"origin": "https://evil.example", "access-control-request-method": "POST"}
    )
    assert response.status_code == 403
    assert response.json()["error"]["type"] == "permission_error"
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.anyio
async def test_a_draining_server_asks_to_come_back() -> None:
    draining = False
    app = DrainMiddleware(ROUTES, lambda: draining, is_exempt=lambda scope: scope["path"] == "/blind")
    client = client_of(app)
    assert (await client.get("/echo")).status_code == 200
    draining = True
    response = await client.get("/echo")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["error"]["type"] == "server_error"
    assert (await client.post("/blind")).status_code == 200


@pytest.mark.anyio
async def test_a_body_up_to_the_limit_passes() -> None:
    client = client_of(BodyLimitMiddleware(ROUTES, lambda scope: 1000))
    assert (await client.post("/echo", content=b"x" * 1000)).text == "1000"
    assert (await client.post("/echo", content=chunks(10, 100))).text == "1000"
    assert (await client.get("/echo")).text == "0"


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/echo", "/blind", "/nowhere"])
async def test_a_declared_length_over_the_limit_is_refused_unread(path: str) -> None:
    response = await client_of(BodyLimitMiddleware(ROUTES, lambda scope: 1000)).post(path, content=b"x" * 1001)
    assert_too_large(response)


@pytest.mark.anyio
async def test_chunks_over_the_limit_are_refused() -> None:
    client = client_of(BodyLimitMiddleware(ROUTES, lambda scope: 1000))
    assert_too_large(await client.post("/echo", content=chunks(11, 100)))


def assert_too_large(response: httpx.Response) -> None:
    assert response.status_code == 413
    assert response.headers["connection"] == "close"
    error = response.json()["error"]
    assert error.pop("message") == "the body is over 1000 bytes, which is the most this server takes"
    assert error == {"type": "invalid_request_error", "param": None, "code": None}


@pytest.mark.anyio
async def test_an_endless_body_is_read_only_up_to_the_limit_before_the_answer() -> None:
    """The answer goes out first; then what still comes is discarded for a moment, so that the client can read it."""
    received = 0
    received_before_answer = None
    sent: list[Message] = []

    async def receive() -> Message:
        nonlocal received
        received += 1_000_000
        return {"type": "http.request", "body": b"x" * 1_000_000, "more_body": True}

    async def send(message: Message) -> None:
        nonlocal received_before_answer
        received_before_answer = received if received_before_answer is None else received_before_answer
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/echo", "query_string": b"", "headers": []}
    await BodyLimitMiddleware(ROUTES, lambda scope: 2_500_000)(scope, receive, send)
    assert received_before_answer == 3_000_000
    assert received < 100_000_000
    assert [message["type"] for message in sent] == ["http.response.start", *["http.response.body"] * 2]
    assert sent[0]["status"] == 413

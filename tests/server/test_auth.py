from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from owngpt.server.auth import INSIDE, AuthMiddleware
from owngpt.service.app import Caller
from owngpt.service.organization.door import Door, mask
from owngpt.store.db import SQLite
from owngpt.store.keys import Keys


async def whoami(request: Request) -> JSONResponse:
    caller = getattr(request.state, "caller", None)
    return JSONResponse(caller and [caller.project_name, caller.is_admin])


async def chat(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(socket.state.caller.project_name)
    await socket.close()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SQLite]:
    db = SQLite(tmp_path / "owngpt.db")
    yield db
    db.close()


@pytest.fixture
def keys(db: SQLite) -> Keys:
    return Keys(db)


@pytest.fixture
def app(keys: Keys, db: SQLite) -> AuthMiddleware:
    paths = ("/", "/health", "/ready", "/js/main.js", "/v1/models", "/metrics")
    routes = [Route(path, whoami, methods=["GET", "POST"]) for path in paths]
    return AuthMiddleware(Starlette(routes=[*routes, WebSocketRoute("/v1/realtime", chat)]), Door(keys, db))


@pytest.fixture
def client(app: AuthMiddleware) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://owngpt")


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


@pytest.mark.anyio
async def test_a_key_says_who_is_calling(client: httpx.AsyncClient, keys: Keys) -> None:
    plain, admin = keys.create(project="research"), keys.create(scopes=("api", "admin"))
    assert (await client.get("/v1/models", headers=bearer(plain.secret))).json() == ["research", False]
    assert (await client.get("/v1/models", headers=bearer(admin.secret))).json() == ["default", True]
    assert (await client.get("/v1/models", headers={"authorization": f"bearer  {admin.secret} "})).is_success


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/nowhere", "/health/", "/js", "/js/../v1/models"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "BREW"])
async def test_everything_is_closed_without_a_key(client: httpx.AsyncClient, path: str, method: str) -> None:
    response = await client.request(method, path)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    error = response.json()["error"]
    assert error.pop("message").startswith("You didn't provide an API key.")
    assert error == {"type": "invalid_request_error", "param": None, "code": "invalid_api_key"}


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/js/main.js"])
async def test_a_few_paths_are_open_to_readers(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200
    assert (await client.head(path)).status_code == 200
    assert (await client.post(path)).status_code == 401


@pytest.mark.anyio
@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic dTpw", "sk-own-123", "Token abc"])
async def test_a_malformed_header_is_refused(client: httpx.AsyncClient, header: str) -> None:
    response = await client.get("/v1/models", headers={"authorization": header})
    assert response.status_code == 401
    assert "malformed" in response.json()["error"]["message"]


@pytest.mark.anyio
@pytest.mark.parametrize("secret", ["sk-own-" + "x" * 43, "sk-proj-" + "y" * 100, "short", "\xe9" * 20, "a" * 30_000])
async def test_a_wrong_key_is_refused_without_repeating_it(client: httpx.AsyncClient, secret: str) -> None:
    response = await client.get("/v1/models", headers={b"authorization": f"Bearer {secret}".encode("latin-1")})
    assert response.status_code == 401
    message = response.json()["error"]["message"]
    assert message.startswith(f"Incorrect API key provided: {mask(secret)}.")
    assert secret not in message


@pytest.mark.anyio
async def test_a_revoked_key_is_refused_at_once(client: httpx.AsyncClient, keys: Keys) -> None:
    secret, key = keys.create()
    assert (await client.get("/v1/models", headers=bearer(secret))).status_code == 200
    keys.revoke(key.id)
    response = await client.get("/v1/models", headers=bearer(secret))
    assert response.status_code == 401
    assert "has been revoked" in response.json()["error"]["message"]


@pytest.mark.anyio
async def test_the_last_use_is_written_once_a_minute(keys: Keys, db: SQLite) -> None:
    now = [0.0]
    app = AuthMiddleware(Starlette(routes=[Route("/v1/models", whoami)]), Door(keys, db), clock=lambda: now[0])
    writes: list[str] = []
    keys.touch = writes.append  # type: ignore[method-assign, assignment]
    secret, key = keys.create()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://owngpt") as client:
        for now[0] in (0.0, 1.0, 59.0, 61.0):
            await client.get("/v1/models", headers=bearer(secret))
    assert writes == [key.id, key.id]


def test_websockets_need_a_key_too(app: AuthMiddleware, keys: Keys) -> None:
    client = TestClient(app)
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/v1/realtime"):
        pass
    with client.websocket_connect("/v1/realtime", headers=bearer(keys.create().secret)) as socket:
        assert socket.receive_text() == "default"


@pytest.mark.anyio
async def test_a_websocket_without_a_key_is_closed_before_it_opens(app: AuthMiddleware) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "websocket", "path": "/v1/realtime", "headers": []}
    await app(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_a_mask_shows_few_characters() -> None:
    assert mask("sk-own-abcdefghijklmnop") == "sk-own-***mnop"
    assert mask("sk-abcdefghijklmnop") == "sk-***mnop"
    assert mask("hunter2") == "***"


@pytest.mark.anyio
async def test_a_part_of_this_server_calls_without_a_key(app: AuthMiddleware) -> None:
    """Batches and background work put their caller into the scope, where no header can reach."""
    inside = Caller("proj_1", "research", "org-1", "key_1", is_admin=False)

    async def calling(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, INSIDE: inside}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(calling), base_url="http://owngpt") as client:
        assert (await client.get("/v1/models")).json() == ["research", False]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://owngpt") as client:
        assert (await client.get("/v1/models", headers={INSIDE: "research"})).status_code == 401

"""Every route asks for a scope, and the scopes that it may ask for are the documented ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse

from owngpt.server.asgi import ROUTES, create_app
from owngpt.server.scopes import OPEN_PATHS, guarded, scope_of
from owngpt.store.scopes import ACCEPT_INVITE, API, MANAGEMENT, expand
from tests.fakes.engine import make_app

DOCS = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
OPERATIONS = sorted(
    {
        (method, route.path)
        for route in ROUTES
        for method in ((route.methods or set()) if isinstance(route, Route) else {"POST"})
    }
)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_asks_for_a_known_scope(method: str, path: str) -> None:
    scope = scope_of(method, path)
    if path in OPEN_PATHS:
        assert scope is None
    elif path.startswith(("/v1/organization", "/v1/projects", "/metrics")):
        assert scope in MANAGEMENT | {ACCEPT_INVITE}
    else:
        assert scope in API


def test_every_route_is_guarded() -> None:
    for route, behind in zip(ROUTES, guarded(ROUTES), strict=True):
        assert isinstance(behind, Route | WebSocketRoute)
        assert (behind.app is not route.app) == (route.path not in OPEN_PATHS)


def test_a_route_that_nobody_thought_of_does_not_start() -> None:
    with pytest.raises(LookupError, match="GET /v1/horoscopes asks for no scope"):
        guarded([Route("/v1/horoscopes", lambda request: request)])
    with pytest.raises(LookupError):
        scope_of("GET", "/v1/filesystem")


def test_what_scopes_mean() -> None:
    assert expand(["api", "admin"]) == API | MANAGEMENT
    assert all(scope.endswith(".read") for scope in expand(["api.read"]))
    assert expand(["api.files.write"]) == {"api.files.read", "api.files.write"}
    assert expand([]) == set()


def test_every_scope_is_described() -> None:
    for scope in API | MANAGEMENT:
        name = scope if scope.startswith("api.model.") else scope.rpartition(".")[0]
        assert f"`{name}`" in DOCS


def test_a_socket_asks_for_a_scope_too() -> None:
    app = make_app()
    client = TestClient(create_app(app))
    for scopes in (("admin",), ("api.files.write",)):
        headers = {"authorization": f"Bearer {app.keys.create(scopes=scopes).secret}"}
        with (
            pytest.raises(WebSocketDenialResponse) as denied,
            client.websocket_connect("/v1/responses", headers=headers),
        ):
            pass
        assert denied.value.status_code == 403
        assert denied.value.json()["error"]["code"] == "missing_scope"

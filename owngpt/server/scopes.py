"""Which scope each route asks of a key. A route that stands nowhere here is an error when the server starts.

GET asks for `read` and every other method for `write` of the resource that the longest fitting prefix names; the
exceptions stand by themselves. What a scope means is said in `store/scopes.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from owngpt.errors import PermissionDenied
from owngpt.server.auth import refuse
from owngpt.service.callers import check_scope
from owngpt.store.scopes import ACCEPT_INVITE

OPEN_PATHS = frozenset({"/health", "/ready"})
PROJECT = "/v1/organization/projects/{project_id}"
EXCEPTIONS = {
    ("POST", "/v1/chat/completions"): "api.model.request",
    ("POST", "/v1/completions"): "api.model.request",
    ("POST", "/v1/fim/completions"): "api.model.request",
    ("POST", "/v1/embeddings"): "api.model.request",
    ("DELETE", "/v1/models/{model:path}"): "api.model.read",  # it only says why not
    ("POST", "/v1/responses/input_tokens"): "api.responses.read",
    ("POST", "/v1/vector_stores/{vector_store_id}/search"): "api.vector_stores.read",
    ("POST", "/v1/organization/invites/accept"): ACCEPT_INVITE,
}
RESOURCES = {
    "/metrics": "metrics",
    "/v1/batches": "batches",
    "/v1/chat/completions": "completions",
    "/v1/conversations": "conversations",
    "/v1/files": "files",
    "/v1/models": "model",
    "/v1/responses": "responses",
    "/v1/uploads": "files",
    "/v1/vector_stores": "vector_stores",
    "/v1/organization/admin_api_keys": "api_keys",
    "/v1/organization/audit_logs": "audit_logs",
    "/v1/organization/certificates": "projects",
    "/v1/organization/costs": "usage",
    "/v1/organization/data_retention": "data_retention",
    "/v1/organization/groups": "groups",
    "/v1/organization/groups/{group_id}/roles": "roles",
    "/v1/organization/invites": "invites",
    "/v1/organization/projects": "projects",
    "/v1/organization/roles": "roles",
    "/v1/organization/spend_alerts": "spend",
    "/v1/organization/spend_limit": "spend",
    "/v1/organization/usage": "usage",
    "/v1/organization/users": "users",
    "/v1/organization/users/{user_id}/roles": "roles",
    f"{PROJECT}/api_keys": "api_keys",
    f"{PROJECT}/data_retention": "data_retention",
    f"{PROJECT}/groups": "groups",
    f"{PROJECT}/rate_limits": "rate_limits",
    f"{PROJECT}/service_accounts": "service_accounts",
    f"{PROJECT}/spend_alerts": "spend",
    f"{PROJECT}/spend_limit": "spend",
    f"{PROJECT}/users": "users",
    "/v1/projects/{project_id}/groups": "roles",
    "/v1/projects/{project_id}/roles": "roles",
    "/v1/projects/{project_id}/users": "roles",
}


def scope_of(method: str, path: str) -> str | None:
    """The scope that a route needs, None for an open one. Raises `LookupError` for a route that nobody thought of."""
    if path in OPEN_PATHS:
        return None
    method = "GET" if method == "HEAD" else method
    if (method, path) in EXCEPTIONS:
        return EXCEPTIONS[method, path]
    prefix = max((prefix for prefix in RESOURCES if f"{path}/".startswith(f"{prefix}/")), key=len, default=None)
    if prefix is None:
        raise LookupError(f"{method} {path} asks for no scope: add it to server/scopes.py")
    return f"api.{RESOURCES[prefix]}.{'read' if method == 'GET' else 'write'}"


def guarded(routes: Iterable[BaseRoute]) -> list[BaseRoute]:
    """The same routes, each asking for its scope before anything of the body is read."""
    return [_guarded(route) for route in routes]


def _guarded(route: BaseRoute) -> BaseRoute:
    assert isinstance(route, Route | WebSocketRoute), f"{route} is of a kind that cannot be guarded"
    methods = (route.methods or ()) if isinstance(route, Route) else ("POST",)
    needed = {method: scope for method in methods if (scope := scope_of(method, route.path)) is not None}
    if not needed:
        return route
    guarded_route = copy.copy(route)
    guarded_route.app = _Guard(route.app, needed)
    return guarded_route


class _Guard:
    """In front of one route."""

    def __init__(self, app: ASGIApp, needed: dict[str, str]) -> None:
        self._app = app
        self._needed = needed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        needed = self._needed[scope["method"] if scope["type"] == "http" else "POST"]
        try:
            check_scope(scope.get("state", {}).get("caller"), needed)
        except PermissionDenied as error:
            await refuse(error, scope, receive, send)
            return
        await self._app(scope, receive, send)

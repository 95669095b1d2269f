"""How every operation of the organization is served: read in a worker thread, or changed in one transaction with its
entry in the audit log. The files beside this one only say what each operation does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from owngpt.errors import PermissionDenied
from owngpt.server.auth import address_of
from owngpt.server.routes.reply import app_of, caller_of, ignored_header
from owngpt.server.schemas.base import WireModel, parse, unknown_fields
from owngpt.service.app import App, Caller
from owngpt.service.organization.actors import actor_of
from owngpt.store import audit, projects, roles
from owngpt.store.db import Database, Row, Transaction
from owngpt.store.projects import Project, check_active, project_of
from owngpt.store.reading import Read
from owngpt.store.scopes import API

Document = dict[str, Any]
Endpoint = Callable[[Request], Awaitable[Response]]
M = TypeVar("M", bound=WireModel)


class Nothing(WireModel):
    """The body of an operation that needs none."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One request about the organization, on its way through the database."""

    request: Request
    app: App
    caller: Caller
    read: Read

    @property
    def db(self) -> Database:
        return self.app.database

    @property
    def organization_id(self) -> str:
        return self.caller.organization_id

    def path(self, name: str) -> str:
        """A part of the URL."""
        return str(self.request.path_params[name])

    @property
    def project_row(self) -> Row:
        """The project that the URL names, with its settings. Raises `NotFound`."""
        return projects.find(self.read, self.organization_id, self.path("project_id"))

    @property
    def project(self) -> Project:
        """The project that the URL names. Raises `NotFound`."""
        return project_of(self.project_row)


@dataclass(frozen=True, slots=True)
class Change(Desk):
    """The same with a transaction, which ends when the operation has succeeded."""

    transaction: Transaction

    @property
    def project(self) -> Project:
        """The project that the URL names, to be changed. Raises `NotFound`, `InvalidRequest` if it was archived."""
        return check_active(project_of(self.project_row))

    def log(self, type_: str, object_id: str | None, project: Project | None = None, /, **details: Any) -> None:
        """Add to the audit log, in the same transaction."""
        where = (project.id, project.name) if project else (None, None)
        event = audit.Event(type_, object_id, {"id": object_id, **details}, *where)
        address = address_of(self.request.scope)
        actor = actor_of(self.read, self.caller.key_id, self.caller.user_id, address)
        audit.append(self.transaction, self.organization_id, actor, event)

    def check_may_give(self, scopes: frozenset[str]) -> None:
        """Raise `PermissionDenied` if the caller would give rights over the organization that it does not have."""
        beyond = scopes - API - self.caller.scopes
        if beyond:
            raise PermissionDenied(
                f"This would give {min(beyond)}, which the API key that asks for it does not have.",
                code="missing_scope",
            )

    def role(self, project_id: str, name_or_id: str) -> roles.Role:
        """A role to be given. Raises `NotFound`, and `PermissionDenied` if it is more than the caller may do."""
        role = roles.resolve(self.read, self.organization_id, project_id, name_or_id)
        self.check_may_give(role.scopes)
        return role


def reading(handle: Callable[[Desk], Document]) -> Endpoint:
    """An operation that changes nothing."""

    async def endpoint(request: Request) -> Response:
        app = app_of(request)
        desk = Desk(request, app, caller_of(request), app.database.read)
        return JSONResponse(await to_thread.run_sync(handle, desk))

    return endpoint


def writing(shape: type[M], handle: Callable[[Change, M], Document]) -> Endpoint:
    """An operation that changes something: all of it or nothing, with its entry in the audit log."""

    async def endpoint(request: Request) -> Response:
        body = parse(shape, await request.body() or b"{}")
        document = await to_thread.run_sync(_change, request, handle, body)
        return JSONResponse(document, headers=ignored_header(unknown_fields(body)))

    return endpoint


def deleting(handle: Callable[[Change], Document]) -> Endpoint:
    """An operation that changes something and needs no body."""
    return writing(Nothing, lambda change, _: handle(change))


def cursor_list(data: Sequence[Document], has_more: bool) -> Document:
    """The form of list that groups and roles have: it names the cursor of the next page."""
    next_id = data[-1].get("id", data[-1].get("group_id")) if data and has_more else None
    return {"object": "list", "data": list(data), "has_more": has_more, "next": next_id}


def _change(request: Request, handle: Callable[[Change, M], Document], body: M) -> Document:
    app = app_of(request)
    with app.database.write() as transaction:
        document = handle(Change(request, app, caller_of(request), transaction.execute, transaction), body)
    app.keys.forget()
    app.limits.forget()
    app.privacy.forget()
    return document

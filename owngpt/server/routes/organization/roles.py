"""/v1/organization/roles and /v1/projects/{id}/roles: the same operations in two places."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import Route

from owngpt.errors import InvalidRequest
from owngpt.server.routes.organization.desk import (
    Change,
    Desk,
    Document,
    cursor_list,
    deleting,
    reading,
    writing,
)
from owngpt.server.schemas.base import shown
from owngpt.server.schemas.lists import page_request
from owngpt.server.schemas.organization.documents import role_document
from owngpt.server.schemas.organization.requests import CreateRole, UpdateRole
from owngpt.store import roles
from owngpt.store.roles import Role


def list_roles(desk: Desk) -> Document:
    """Predefined ones first."""
    found = roles.list_(desk.read, desk.organization_id, place_of(desk))
    return page_of_roles(desk, [(role.id, role_document(role)) for role in found], 1000)


def create_role(change: Change, body: CreateRole) -> Document:
    """With permissions that the caller has itself."""
    place = place_of(change)
    role = roles.create(
        change.transaction,
        change.organization_id,
        place,
        body.role_name,
        body.permissions,
        body.description,
        change.caller.user_id,
    )
    change.check_may_give(role.scopes)
    change.log(
        "role.created",
        role.id,
        role_name=role.name,
        permissions=list(role.permissions),
        resource_type=resource_type(place),
        resource_id=place or change.organization_id,
    )
    return role_document(role)


def retrieve_role(desk: Desk) -> Document:
    """One of them."""
    return role_document(_find(desk))


def update_role(change: Change, body: UpdateRole) -> Document:
    """What is given; whoever has the role has the new permissions at once."""
    old = _find(change)
    role = roles.update(
        change.transaction, change.organization_id, old, body.role_name, body.permissions, body.description
    )
    change.check_may_give(role.scopes)
    change.log(
        "role.updated",
        role.id,
        changes_requested={
            "role_name": role.name,
            "permissions_added": sorted(set(role.permissions) - set(old.permissions)),
            "permissions_removed": sorted(set(old.permissions) - set(role.permissions)),
        },
    )
    return role_document(role)


def delete_role(change: Change) -> Document:
    """And take it from all who have it."""
    role = _find(change)
    roles.delete(change.transaction, role)
    change.log("role.deleted", role.id)
    return {"object": "role.deleted", "id": role.id, "deleted": True}


def place_of(desk: Desk) -> str:
    """The project that the URL names, or empty for the organization. Raises `NotFound`."""
    return desk.project.id if "project_id" in desk.request.path_params else roles.ORGANIZATION


def resource_type(place: str) -> str:
    """As the audit log names the place."""
    return "project" if place else "organization"


def page_of_roles(desk: Desk, found: Sequence[tuple[str, Document]], default_limit: int) -> Document:
    """A page of a short list, that is cut in memory: (id, document), in order of time."""
    page = page_request(desk.request, default_limit, 1000, "asc")
    ordered = list(found) if page.order == "asc" else list(found)[::-1]
    ids = [role_id for role_id, _ in ordered]
    if page.after is not None and page.after not in ids:
        raise InvalidRequest(
            f"Invalid value for 'after': {shown(page.after)} is not in this list (any more).",
            param="after",
            code="invalid_value",
        )
    start = 0 if page.after is None else ids.index(page.after) + 1
    data = [document for _, document in ordered[start : start + page.limit]]
    return cursor_list(data, len(ordered) > start + page.limit)


def _find(desk: Desk) -> Role:
    return roles.find(desk.read, desk.organization_id, place_of(desk), desk.path("role_id"))


ROUTES = tuple(
    route
    for path in ("/v1/organization/roles", "/v1/projects/{project_id}/roles")
    for route in (
        Route(path, reading(list_roles), methods=["GET"]),
        Route(path, writing(CreateRole, create_role), methods=["POST"]),
        Route(f"{path}/{{role_id}}", reading(retrieve_role), methods=["GET"]),
        Route(f"{path}/{{role_id}}", writing(UpdateRole, update_role), methods=["POST"]),
        Route(f"{path}/{{role_id}}", deleting(delete_role), methods=["DELETE"]),
    )
)

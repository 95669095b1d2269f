"""Roles of users and groups: .../users/{id}/roles and .../groups/{id}/roles, of the organization and of a project.

In a project, users are those that are members, and groups those that were let in; the base role of each stands in the
list as well, and is changed where the member is.
"""

from __future__ import annotations

from starlette.routing import Route

from owngpt.errors import Conflict
from owngpt.server.routes.organization.desk import Change, Desk, Document, deleting, reading, writing
from owngpt.server.routes.organization.roles import page_of_roles, place_of, resource_type
from owngpt.server.schemas.organization.documents import (
    assigned_role_document,
    principal_type,
    role_document,
    user_document,
)
from owngpt.server.schemas.organization.requests import AssignRole
from owngpt.store import groups, roles, users
from owngpt.store.reading import no_such
from owngpt.store.roles import Role


def list_assignments(desk: Desk) -> Document:
    """The base role first."""
    return page_of_roles(desk, [(role.id, assigned_role_document(role, who)) for role, who in _assigned(desk)], 1000)


def assign(change: Change, body: AssignRole) -> Document:
    """A role that the caller may give. Giving it twice changes nothing."""
    principal, place = _principal(change), place_of(change)
    if place:
        _ = change.project  # an archived one takes no change
    role = change.role(place, body.role_id)
    roles.assign(change.transaction, role, principal, place)
    _log(change, "role.assignment.created", role, principal, place)
    return _assignment(change, principal, role)


def retrieve_assignment(desk: Desk) -> Document:
    """One of them."""
    return assigned_role_document(*_find(desk))


def unassign(change: Change) -> Document:
    """The base role cannot be taken so: give the member another one."""
    principal, place = _principal(change), place_of(change)
    role, _ = _find(change)
    given = roles.assigned(change.read, change.organization_id, (principal,), place)
    if role.id not in {other.id for other, _ in given}:
        raise Conflict(
            f"{role.id} was not given as such: it is the base role of the member, or comes from a group", param="id"
        )
    roles.unassign(change.transaction, role, principal, place)
    _log(change, "role.assignment.deleted", role, principal, place)
    kind = "group" if principal_type(principal) == "group" else "user"
    return {"object": f"{kind}.role.deleted", "deleted": True}


def _assigned(desk: Desk) -> list[tuple[Role, list[str]]]:
    """The roles of whom the URL names, each with the principals that it comes from: itself, and a user's groups."""
    principal, place = _principal(desk), place_of(desk)
    sources: dict[Role, list[str]] = {}
    if base := _base_role(desk, principal, place):
        sources[base] = [principal]
    principals = (principal, *groups.of_member(desk.read, principal))
    for role, source in roles.assigned(desk.read, desk.organization_id, principals, place):
        sources.setdefault(role, [])
        sources[role] += [] if source in sources[role] else [source]
    return list(sources.items())


def _find(desk: Desk) -> tuple[Role, list[str]]:
    role_id = desk.path("role_id")
    for role, sources in _assigned(desk):
        if role.id == role_id:
            return role, sources
    raise no_such("RoleAssignment", role_id)


def _principal(desk: Desk) -> str:
    """The user or group that the URL names, which must be of the organization. Raises `NotFound`."""
    if "user_id" in desk.request.path_params:
        return users.find(desk.read, desk.organization_id, desk.path("user_id")).id
    return groups.find(desk.read, desk.organization_id, desk.path("group_id")).id


def _base_role(desk: Desk, principal: str, place: str) -> Role | None:
    if principal_type(principal) == "group":
        if not place:
            return None
        name = groups.project_group(desk.read, place, principal)["role"]
    elif place:
        name = users.member(desk.read, place, principal)["role"]
    else:
        name = users.find(desk.read, desk.organization_id, principal).role
    return roles.resolve(desk.read, desk.organization_id, place, name)


def _assignment(change: Change, principal: str, role: Role) -> Document:
    if principal_type(principal) == "group":
        group = groups.find(change.read, change.organization_id, principal)
        shown = {"object": "group", "id": group.id, "name": group.name, "created_at": group.created_at}
        return {"object": "group.role", "group": {**shown, "scim_managed": False}, "role": role_document(role)}
    user = users.find(change.read, change.organization_id, principal)
    return {"object": "user.role", "user": user_document(user), "role": role_document(role)}


def _log(change: Change, type_: str, role: Role, principal: str, place: str) -> None:
    change.log(
        type_,
        role.id,
        principal_id=principal,
        principal_type=principal_type(principal),
        resource_id=place or change.organization_id,
        resource_type=resource_type(place),
    )


ROUTES = tuple(
    route
    for path in (
        "/v1/organization/users/{user_id}/roles",
        "/v1/organization/groups/{group_id}/roles",
        "/v1/projects/{project_id}/users/{user_id}/roles",
        "/v1/projects/{project_id}/groups/{group_id}/roles",
    )
    for route in (
        Route(path, reading(list_assignments), methods=["GET"]),
        Route(path, writing(AssignRole, assign), methods=["POST"]),
        Route(f"{path}/{{role_id}}", reading(retrieve_assignment), methods=["GET"]),
        Route(f"{path}/{{role_id}}", deleting(unassign), methods=["DELETE"]),
    )
)

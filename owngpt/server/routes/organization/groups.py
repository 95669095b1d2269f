"""/v1/organization/groups, and the users and service accounts in them."""

from __future__ import annotations

from starlette.routing import Route

from owngpt.server.routes.organization.desk import (
    Change,
    Desk,
    Document,
    cursor_list,
    deleting,
    reading,
    writing,
)
from owngpt.server.schemas.lists import page_request
from owngpt.server.schemas.organization.documents import group_document, group_member_document
from owngpt.server.schemas.organization.requests import AddGroupUser, NameGroup
from owngpt.store import groups, roles
from owngpt.store.groups import Group, group_of
from owngpt.store.paging import page_of


def list_groups(desk: Desk) -> Document:
    """All of the organization."""
    wanted = page_request(desk.request, 100, 1000, "asc")
    page = page_of(desk.db, "user_groups", "*", "organization_id = ?", (desk.organization_id,), wanted)
    return cursor_list([group_document(group_of(row)) for row in page.rows], page.has_more)


def create_group(change: Change, body: NameGroup) -> Document:
    """A group without members."""
    group = groups.create(change.transaction, change.organization_id, body.name)
    change.log("group.created", group.id, data={"group_name": group.name})
    return group_document(group)


def retrieve_group(desk: Desk) -> Document:
    """One of them."""
    return group_document(_find(desk))


def update_group(change: Change, body: NameGroup) -> Document:
    """Another name."""
    group = groups.rename(change.transaction, _find(change), body.name)
    change.log("group.updated", group.id, changes_requested={"group_name": group.name})
    return group_document(group)


def delete_group(change: Change) -> Document:
    """Its members lose what they had by it."""
    group = _find(change)
    groups.delete(change.transaction, group)
    change.log("group.deleted", group.id)
    return {"object": "group.deleted", "id": group.id, "deleted": True}


def list_members(desk: Desk) -> Document:
    """Who is in it."""
    wanted = page_request(desk.request, 100, 1000, "desc")
    page = page_of(desk.db, groups.MEMBERS, "*", "group_id = ?", (_find(desk).id,), wanted, sort="added_at")
    return cursor_list([group_member_document(row) for row in page.rows], page.has_more)


def add_member(change: Change, body: AddGroupUser) -> Document:
    """A user, or a service account of any project of the organization."""
    group = _find(change)
    for role, _ in roles.assigned(change.read, change.organization_id, (group.id,), roles.ORGANIZATION):
        change.check_may_give(role.scopes)
    groups.add_member(change.transaction, group, body.user_id)
    change.log("group.updated", group.id, changes_requested={"users_added": [body.user_id]})
    return {"object": "group.user", "user_id": body.user_id, "group_id": group.id}


def retrieve_member(desk: Desk) -> Document:
    """One of them."""
    return group_member_document(groups.member(desk.read, _find(desk).id, desk.path("user_id")))


def remove_member(change: Change) -> Document:
    """Who leaves loses what came by the group."""
    group, user_id = _find(change), change.path("user_id")
    groups.remove_member(change.transaction, group, user_id)
    change.log("group.updated", group.id, changes_requested={"users_removed": [user_id]})
    return {"object": "group.user.deleted", "deleted": True}


def _find(desk: Desk) -> Group:
    return groups.find(desk.read, desk.organization_id, desk.path("group_id"))


PATH = "/v1/organization/groups"
ROUTES = (
    Route(PATH, reading(list_groups), methods=["GET"]),
    Route(PATH, writing(NameGroup, create_group), methods=["POST"]),
    Route(f"{PATH}/{{group_id}}", reading(retrieve_group), methods=["GET"]),
    Route(f"{PATH}/{{group_id}}", writing(NameGroup, update_group), methods=["POST"]),
    Route(f"{PATH}/{{group_id}}", deleting(delete_group), methods=["DELETE"]),
    Route(f"{PATH}/{{group_id}}/users", reading(list_members), methods=["GET"]),
    Route(f"{PATH}/{{group_id}}/users", writing(AddGroupUser, add_member), methods=["POST"]),
    Route(f"{PATH}/{{group_id}}/users/{{user_id}}", reading(retrieve_member), methods=["GET"]),
    Route(f"{PATH}/{{group_id}}/users/{{user_id}}", deleting(remove_member), methods=["DELETE"]),
)

"""/v1/organization/projects/{id}/users: who is a member of a project, and as what."""

from __future__ import annotations

from starlette.routing import Route

from owngpt.errors import InvalidRequest
from owngpt.server.routes.organization.desk import Change, Desk, Document, deleting, reading, writing
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.server.schemas.organization.documents import member_document
from owngpt.server.schemas.organization.requests import AddProjectUser, UpdateProjectUser
from owngpt.store import roles, users
from owngpt.store.paging import page_of
from owngpt.store.users import User


def list_members(desk: Desk) -> Document:
    """The users that were added themselves; those who come by a group stand in the group."""
    wanted = page_request(desk.request)
    page = page_of(desk.db, users.MEMBERS, "*", "project_id = ?", (desk.project.id,), wanted, sort="added_at")
    return list_document([member_document(row) for row in page.rows], page.has_more)


def add_member(change: Change, body: AddProjectUser) -> Document:
    """By id or address; `role` is owner, member, viewer, or the id of a role of the project."""
    project, user = change.project, _user(change, body)
    users.join(change.transaction, project.id, user, _role(change, project.id, body.role))
    change.log("user.added", user.id, project, data={"role": body.role})
    return member_document(users.member(change.read, project.id, user.id))


def retrieve_member(desk: Desk) -> Document:
    """One of them."""
    return member_document(users.member(desk.read, desk.project.id, desk.path("user_id")))


def update_member(change: Change, body: UpdateProjectUser) -> Document:
    """Another role."""
    project, user_id = change.project, change.path("user_id")
    users.member(change.read, project.id, user_id)
    if body.role is not None:
        role = _role(change, project.id, body.role)
        users.set_member_role(change.transaction, project.id, user_id, role)
        change.log("user.updated", user_id, project, changes_requested={"role": body.role})
    return member_document(users.member(change.read, project.id, user_id))


def remove_member(change: Change) -> Document:
    """The user's keys of the project are revoked."""
    project, user_id = change.project, change.path("user_id")
    users.member(change.read, project.id, user_id)
    users.leave(change.transaction, project.id, user_id)
    change.log("user.deleted", user_id, project)
    return {"object": "organization.project.user.deleted", "id": user_id, "deleted": True}


def _user(change: Change, body: AddProjectUser) -> User:
    if (body.user_id is None) == (body.email is None):
        raise InvalidRequest("name the user by either user_id or email", param="user_id")
    if body.user_id is not None:
        return users.find(change.read, change.organization_id, body.user_id)
    return users.by_email(change.read, change.organization_id, body.email or "")


def _role(change: Change, project_id: str, wanted: str) -> str:
    """As it is kept: the name of a predefined role, else the id."""
    role = change.role(project_id, wanted)
    return role.name if role in roles.PROJECT_ROLES else role.id


PATH = "/v1/organization/projects/{project_id}/users"
ROUTES = (
    Route(PATH, reading(list_members), methods=["GET"]),
    Route(PATH, writing(AddProjectUser, add_member), methods=["POST"]),
    Route(f"{PATH}/{{user_id}}", reading(retrieve_member), methods=["GET"]),
    Route(f"{PATH}/{{user_id}}", writing(UpdateProjectUser, update_member), methods=["POST"]),
    Route(f"{PATH}/{{user_id}}", deleting(remove_member), methods=["DELETE"]),
)

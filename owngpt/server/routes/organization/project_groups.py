"""/v1/organization/projects/{id}/groups: groups whose users are members of a project."""

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
from owngpt.server.schemas.organization.documents import project_group_document
from owngpt.server.schemas.organization.requests import AddProjectGroup
from owngpt.store import groups, roles
from owngpt.store.paging import page_of


def list_groups(desk: Desk) -> Document:
    """Those that were let in."""
    wanted = page_request(desk.request, default_order="asc")
    page = page_of(desk.db, groups.PROJECT_GROUPS, "*", "project_id = ?", (desk.project.id,), wanted)
    return cursor_list([project_group_document(row) for row in page.rows], page.has_more)


def add_group(change: Change, body: AddProjectGroup) -> Document:
    """Its users have this role in the project from now on."""
    project = change.project
    group = groups.find(change.read, change.organization_id, body.group_id)
    role = change.role(project.id, body.role)
    groups.let_in(change.transaction, project.id, group, role.name if role in roles.PROJECT_ROLES else role.id)
    change.log(
        "role.assignment.created",
        role.id,
        project,
        principal_id=group.id,
        principal_type="group",
        resource_id=project.id,
        resource_type="project",
    )
    return project_group_document(groups.project_group(change.read, project.id, group.id))


def retrieve_group(desk: Desk) -> Document:
    """One of them."""
    return project_group_document(groups.project_group(desk.read, desk.project.id, desk.path("group_id")))


def remove_group(change: Change) -> Document:
    """Who was a member by the group alone is none any more."""
    project, group_id = change.project, change.path("group_id")
    role = groups.project_group(change.read, project.id, group_id)["role"]
    groups.put_out(change.transaction, project.id, group_id)
    change.log(
        "role.assignment.deleted",
        roles.resolve(change.read, change.organization_id, project.id, role).id,
        project,
        principal_id=group_id,
        principal_type="group",
        resource_id=project.id,
        resource_type="project",
    )
    return {"object": "project.group.deleted", "deleted": True}


PATH = "/v1/organization/projects/{project_id}/groups"
ROUTES = (
    Route(PATH, reading(list_groups), methods=["GET"]),
    Route(PATH, writing(AddProjectGroup, add_group), methods=["POST"]),
    Route(f"{PATH}/{{group_id}}", reading(retrieve_group), methods=["GET"]),
    Route(f"{PATH}/{{group_id}}", deleting(remove_group), methods=["DELETE"]),
)

"""/v1/organization/projects: list, make, look at, rename and archive."""

from __future__ import annotations

from starlette.routing import Route

from owngpt.errors import InvalidRequest
from owngpt.server.routes.organization.desk import Change, Desk, Document, deleting, reading, writing
from owngpt.server.schemas.base import shown
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.server.schemas.organization.documents import project_document
from owngpt.server.schemas.organization.requests import CreateProject, UpdateProject
from owngpt.store import keys, projects
from owngpt.store.paging import page_of
from owngpt.store.projects import project_of


def list_projects(desk: Desk) -> Document:
    """Without archived ones, unless they are asked for."""
    query = desk.request.query_params.get("include_archived", "false")
    if query not in ("true", "false"):
        raise InvalidRequest(f"include_archived is {shown(query)}; it takes true or false", param="include_archived")
    where = "organization_id = ?" + ("" if query == "true" else " AND archived_at IS NULL")
    page = page_of(desk.db, "projects", "*", where, (desk.organization_id,), page_request(desk.request))
    return list_document([project_document(project_of(row)) for row in page.rows], page.has_more)


def create_project(change: Change, body: CreateProject) -> Document:
    """A new one. Data lies on this server: another place is refused."""
    if body.residency not in (None, "GLOBAL"):
        raise InvalidRequest("residency is where this server is; only GLOBAL can be asked for", param="residency")
    _check_no_external_key(body.external_key_id)
    project = projects.create(change.transaction, change.organization_id, body.name)
    change.log("project.created", project.id, project, data={"name": project.name, "title": project.name})
    return project_document(project)


def retrieve_project(desk: Desk) -> Document:
    """One of them, also an archived one."""
    return project_document(desk.project)


def update_project(change: Change, body: UpdateProject) -> Document:
    """Another name."""
    _check_no_external_key(body.external_key_id)
    project = change.project
    if body.name is not None:
        projects.rename(change.transaction, project, body.name)
        change.log("project.updated", project.id, project, changes_requested={"title": body.name})
    return project_document(change.project)


def archive_project(change: Change) -> Document:
    """For good: its keys are revoked, and nothing in it can be used any more."""
    project = project_of(change.project_row)
    if project.archived_at is None:
        with keys.keep_an_admin(change.transaction, change.organization_id):
            projects.archive(change.transaction, project)
            keys.revoke_keys(change.transaction, "project_id = ?", (project.id,))
        change.log("project.archived", project.id, project)
    return project_document(project_of(change.project_row))


def _check_no_external_key(key_id: str | None) -> None:
    if key_id is not None:
        raise InvalidRequest("external_key_id is not supported: encrypt the disk instead", param="external_key_id")


PATH = "/v1/organization/projects"
ROUTES = (
    Route(PATH, reading(list_projects), methods=["GET"]),
    Route(PATH, writing(CreateProject, create_project), methods=["POST"]),
    Route(f"{PATH}/{{project_id}}", reading(retrieve_project), methods=["GET"]),
    Route(f"{PATH}/{{project_id}}", writing(UpdateProject, update_project), methods=["POST"]),
    Route(f"{PATH}/{{project_id}}/archive", deleting(archive_project), methods=["POST"]),
)

"""What is kept: /v1/organization/data_retention, and the same of a project."""

from __future__ import annotations

from starlette.routing import Route

from owngpt.server.routes.organization.desk import Change, Desk, Document, reading, writing
from owngpt.server.schemas.organization.requests import UpdateOrganizationRetention, UpdateProjectRetention
from owngpt.store import retention


def retrieve_organization(desk: Desk) -> Document:
    """What holds where a project says nothing."""
    [row] = desk.read("SELECT retention FROM organizations WHERE id = ?", (desk.organization_id,))
    return {"object": "organization.data_retention", "type": row["retention"]}


def update_organization(change: Change, body: UpdateOrganizationRetention) -> Document:
    """For requests from now on; what is stored already stays until it is deleted."""
    retention.set_organization_retention(change.transaction, change.organization_id, body.retention_type)
    requested = {"data_retention": body.retention_type}
    change.log("organization.updated", change.organization_id, changes_requested=requested)
    return retrieve_organization(change)


def retrieve_project(desk: Desk) -> Document:
    """The project's own setting."""
    return {"object": "project.data_retention", "type": desk.project_row["retention"]}


def update_project(change: Change, body: UpdateProjectRetention) -> Document:
    """For requests from now on; what is stored already stays until it is deleted."""
    project = change.project
    retention.set_project_retention(change.transaction, project.id, body.retention_type)
    change.log("project.updated", project.id, project, changes_requested={"data_retention": body.retention_type})
    return retrieve_project(change)


PATH = "/v1/organization/data_retention"
OF_PROJECT = "/v1/organization/projects/{project_id}/data_retention"
ROUTES = (
    Route(PATH, reading(retrieve_organization), methods=["GET"]),
    Route(PATH, writing(UpdateOrganizationRetention, update_organization), methods=["POST"]),
    Route(OF_PROJECT, reading(retrieve_project), methods=["GET"]),
    Route(OF_PROJECT, writing(UpdateProjectRetention, update_project), methods=["POST"]),
)

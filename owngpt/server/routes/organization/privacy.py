"""What a project does with personal data: /v1/organization/projects/{project_id}/privacy. Not at OpenAI."""

from __future__ import annotations

from starlette.routing import Route

from owngpt.server.routes.organization.desk import Change, Desk, Document, deleting, reading, writing
from owngpt.server.schemas.organization.privacy import UpdatePrivacy, to_policy
from owngpt.service.privacy import Policy


def retrieve_privacy(desk: Desk) -> Document:
    """The policy that holds now, with each type as it applies."""
    policy, is_default = desk.app.privacy.policy_in(desk.read, desk.project.id)
    return _document(desk.project.id, policy, is_default=is_default)


def update_privacy(change: Change, body: UpdatePrivacy) -> Document:
    """For requests from now on, and for files that are taken into vector stores from now on."""
    project, policy = change.project, to_policy(body)
    change.app.privacy.set_policy(change.transaction, project.id, policy)
    change.log("project.updated", project.id, project, changes_requested={"privacy": {"mode": policy.mode}})
    return _document(project.id, policy, is_default=False)


def delete_privacy(change: Change) -> Document:
    """The server's settings hold again."""
    project = change.project
    change.app.privacy.set_policy(change.transaction, project.id, None)
    change.log("project.updated", project.id, project, changes_requested={"privacy": None})
    return retrieve_privacy(change)


def _document(project_id: str, policy: Policy, *, is_default: bool) -> Document:
    return {"object": "project.privacy", "project_id": project_id, "is_default": is_default, **policy.document()}


PATH = "/v1/organization/projects/{project_id}/privacy"
ROUTES = (
    Route(PATH, reading(retrieve_privacy), methods=["GET"]),
    Route(PATH, writing(UpdatePrivacy, update_privacy), methods=["POST"]),
    Route(PATH, deleting(delete_privacy), methods=["DELETE"]),
)

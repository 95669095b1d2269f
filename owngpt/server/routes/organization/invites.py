"""/v1/organization/invites: invite, list, look at, take back; and accept, with the token as the key."""

from __future__ import annotations

import time

from starlette.routing import Route

from owngpt.server.routes.organization.desk import Change, Desk, Document, deleting, reading, writing
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.server.schemas.organization.documents import invite_document, user_document
from owngpt.server.schemas.organization.requests import AcceptInvite, CreateInvite
from owngpt.store import invites, keys, projects, roles, users
from owngpt.store.invites import Invite, invite_of
from owngpt.store.paging import page_of
from owngpt.store.projects import check_active, project_of
from owngpt.store.users import User


def list_invites(desk: Desk) -> Document:
    """Also those that were accepted or are over."""
    page = page_of(desk.db, "invites", "*", "organization_id = ?", (desk.organization_id,), page_request(desk.request))
    now = time.time()
    return list_document([invite_document(invite_of(row), now) for row in page.rows], page.has_more)


def create_invite(change: Change, body: CreateInvite) -> Document:
    """The answer alone holds the token that accepts it: no e-mail is sent."""
    change.role(roles.ORGANIZATION, body.role)
    if body.projects is None:
        wanted = [(str(projects.default_project(change.read, change.organization_id)["id"]), "member")]
    else:
        wanted = [(project.id, project.role) for project in body.projects]
    for project_id, _ in wanted:
        check_active(project_of(projects.find(change.read, change.organization_id, project_id)))
    token, invite = invites.create(change.transaction, change.organization_id, body.email, body.role, wanted)
    change.log("invite.sent", invite.id, data={"email": invite.email, "role": invite.role})
    return invite_document(invite, time.time()) | {"token": token}


def retrieve_invite(desk: Desk) -> Document:
    """One of them."""
    return invite_document(invites.find(desk.read, desk.organization_id, desk.path("invite_id")), time.time())


def delete_invite(change: Change) -> Document:
    """Its token accepts nothing any more."""
    invite = invites.find(change.read, change.organization_id, change.path("invite_id"))
    invites.delete(change.transaction, invite)
    change.log("invite.deleted", invite.id)
    return {"object": "organization.invite.deleted", "id": invite.id, "deleted": True}


def accept_invite(change: Change, body: AcceptInvite) -> Document:
    """Make the invited a user and a member of the projects, with a key for each: the only time that they are shown."""
    invite = invites.find(change.read, change.organization_id, change.caller.key_id)
    invites.accept(change.transaction, invite)
    name = body.name or invite.email.partition("@")[0]
    user = users.add(change.transaction, change.organization_id, invite.email, name, invite.role)
    api_keys = [_join(change, user, project_id, role) for project_id, role in _open_projects(change, invite)]
    change.log("invite.accepted", invite.id)
    change.log("user.added", user.id, data={"role": user.role})
    return user_document(user, users.memberships(change.read, user.id)) | {"api_keys": api_keys}


def _open_projects(change: Change, invite: Invite) -> list[tuple[str, str]]:
    """Those of the invitation that were not archived since."""
    rows = {place[0]: projects.find(change.read, change.organization_id, place[0]) for place in invite.projects}
    return [place for place in invite.projects if rows[place[0]]["archived_at"] is None]


def _join(change: Change, user: User, project_id: str, role: str) -> Document:
    users.join(change.transaction, project_id, user, role)
    secret, key = keys.create_key(change.transaction, project_id, f"key of {user.name}"[:128], ("api",), user.id)
    return {"project_id": project_id, "id": key.id, "name": key.name, "value": secret}


PATH = "/v1/organization/invites"
ROUTES = (
    Route(PATH, reading(list_invites), methods=["GET"]),
    Route(PATH, writing(CreateInvite, create_invite), methods=["POST"]),
    Route(f"{PATH}/accept", writing(AcceptInvite, accept_invite), methods=["POST"]),
    Route(f"{PATH}/{{invite_id}}", reading(retrieve_invite), methods=["GET"]),
    Route(f"{PATH}/{{invite_id}}", deleting(delete_invite), methods=["DELETE"]),
)

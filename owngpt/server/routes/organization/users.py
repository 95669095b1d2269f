"""/v1/organization/users: list, look at, change and delete. New ones come by invitation."""

from __future__ import annotations

from starlette.routing import Route

from owngpt.server.routes.organization.desk import Change, Desk, Document, deleting, reading, writing
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.server.schemas.organization.documents import user_document
from owngpt.server.schemas.organization.requests import UpdateUser
from owngpt.store import keys, roles, users
from owngpt.store.names import check_text
from owngpt.store.paging import page_of
from owngpt.store.users import user_of


def list_users(desk: Desk) -> Document:
    """All, or those with the addresses that are asked for."""
    query = desk.request.query_params
    emails = [email.lower() for email in (*query.getlist("emails"), *query.getlist("emails[]"))]
    where = "organization_id = ?" + (f" AND email IN ({', '.join('?' for _ in emails)})" if emails else "")
    page = page_of(
        desk.db,
        "users",
        users.COLUMNS,
        where,
        (desk.organization_id, *emails),
        page_request(desk.request),
        sort="added_at",
    )
    return list_document([user_document(user_of(row)) for row in page.rows], page.has_more)


def retrieve_user(desk: Desk) -> Document:
    """One of them, with the projects that they are a member of."""
    user = users.find(desk.read, desk.organization_id, desk.path("user_id"))
    return user_document(user, users.memberships(desk.read, user.id))


def update_user(change: Change, body: UpdateUser) -> Document:
    """The base role, by name or id, and two notes."""
    user = users.find(change.read, change.organization_id, change.path("user_id"))
    wanted = body.role_id or body.role
    role = user.role if wanted is None else change.role(roles.ORGANIZATION, wanted).name
    if wanted is not None and role not in ("owner", "reader"):
        roles.assign(change.transaction, change.role(roles.ORGANIZATION, wanted), user.id, roles.ORGANIZATION)
        role = user.role
    level = check_text(body.technical_level, "technical_level") or user.technical_level
    persona = check_text(body.developer_persona, "developer_persona") or user.developer_persona
    with keys.keep_an_admin(change.transaction, change.organization_id):
        users.change(change.transaction, user, role, level, persona)
    change.log("user.updated", user.id, changes_requested=body.model_dump(exclude_none=True))
    return user_document(users.find(change.read, change.organization_id, user.id))


def delete_user(change: Change) -> Document:
    """With their memberships; their keys are revoked."""
    user = users.find(change.read, change.organization_id, change.path("user_id"))
    with keys.keep_an_admin(change.transaction, change.organization_id):
        users.delete(change.transaction, user)
    change.log("user.deleted", user.id)
    return {"object": "organization.user.deleted", "id": user.id, "deleted": True}


PATH = "/v1/organization/users"
ROUTES = (
    Route(PATH, reading(list_users), methods=["GET"]),
    Route(f"{PATH}/{{user_id}}", reading(retrieve_user), methods=["GET"]),
    Route(f"{PATH}/{{user_id}}", writing(UpdateUser, update_user), methods=["POST"]),
    Route(f"{PATH}/{{user_id}}", deleting(delete_user), methods=["DELETE"]),
)

"""/v1/organization/admin_api_keys: keys that manage the organization, and open nothing else."""

from __future__ import annotations

import time

from starlette.routing import Route

from owngpt.server.routes.organization.desk import Change, Desk, Document, deleting, reading, writing
from owngpt.server.routes.organization.owners import admin_owner
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.server.schemas.organization.documents import admin_key_document
from owngpt.server.schemas.organization.requests import CreateAdminKey
from owngpt.store import keys
from owngpt.store.keys import Key, find_key, key_of
from owngpt.store.paging import page_of
from owngpt.store.projects import default_project
from owngpt.store.reading import Read, no_such

_TABLE = f"(SELECT {keys.COLUMNS} FROM {keys.JOINED}) AS admin_keys"
_IS_LISTED = "scopes LIKE '%admin%' AND revoked_at IS NULL AND organization_id = ?"


def list_admin_keys(desk: Desk) -> Document:
    """Those that were not deleted, also keys of a project that may manage."""
    page_wanted = page_request(desk.request, default_order="asc")
    page = page_of(desk.db, _TABLE, "*", _IS_LISTED, (desk.organization_id,), page_wanted)
    return list_document([_document(desk.read, key_of(desk.read, row)) for row in page.rows], page.has_more)


def create_admin_key(change: Change, body: CreateAdminKey) -> Document:
    """It belongs to whom the key that asks belongs to, and may do no more. The only time that its value is shown."""
    project = default_project(change.read, change.organization_id)
    expires_at = None if body.expires_in_seconds is None else int(time.time()) + body.expires_in_seconds
    owner = change.caller.user_id
    secret, key = keys.create_key(change.transaction, project["id"], body.name, ("admin",), owner, expires_at)
    change.check_may_give(key.grant.scopes)
    change.log("api_key.created", key.id, data={"scopes": ["admin"]})
    return _document(change.read, key) | {"value": secret}


def retrieve_admin_key(desk: Desk) -> Document:
    """One of them."""
    return _document(desk.read, _find(desk.read, desk))


def delete_admin_key(change: Change) -> Document:
    """It opens nothing any more. The last one cannot be deleted."""
    key = _find(change.read, change)
    with keys.keep_an_admin(change.transaction, change.organization_id):
        keys.revoke_keys(change.transaction, "id = ?", (key.id,))
    change.log("api_key.deleted", key.id)
    return {"object": "organization.admin_api_key.deleted", "id": key.id, "deleted": True}


def _find(read: Read, desk: Desk) -> Key:
    key_id = desk.path("key_id")
    where = "keys.id = ? AND projects.organization_id = ? AND keys.revoked_at IS NULL AND keys.scopes LIKE '%admin%'"
    key = find_key(read, where, (key_id, desk.organization_id))
    if key is None:
        raise no_such("AdminApiKey", key_id)
    return key


def _document(read: Read, key: Key) -> Document:
    return admin_key_document(key, admin_owner(read, key))


PATH = "/v1/organization/admin_api_keys"
ROUTES = (
    Route(PATH, reading(list_admin_keys), methods=["GET"]),
    Route(PATH, writing(CreateAdminKey, create_admin_key), methods=["POST"]),
    Route(f"{PATH}/{{key_id}}", reading(retrieve_admin_key), methods=["GET"]),
    Route(f"{PATH}/{{key_id}}", deleting(delete_admin_key), methods=["DELETE"]),
)

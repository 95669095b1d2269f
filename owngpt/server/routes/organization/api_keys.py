"""/v1/organization/projects/{id}/api_keys: the keys of a project. To make and to rotate them is beyond OpenAI."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from starlette.routing import Route

from owngpt.errors import InvalidRequest
from owngpt.server.routes.organization.desk import Change, Desk, Document, deleting, reading, writing
from owngpt.server.routes.organization.owners import project_owner
from owngpt.server.schemas.base import shown
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.server.schemas.organization.documents import project_key_document
from owngpt.server.schemas.organization.requests import CreateProjectKey, RotateKey
from owngpt.store import keys, users
from owngpt.store.keys import Key, find_key, key_of
from owngpt.store.paging import PageRequest, page_of
from owngpt.store.reading import Read, no_such
from owngpt.store.scopes import API, check_scopes, expand

_TABLE = f"(SELECT {keys.COLUMNS} FROM {keys.JOINED}) AS project_keys"
_IS_OWN = "project_id = ? AND revoked_at IS NULL AND scopes <> 'admin'"
ACCESS = ("active", "inactive", "any")


def list_keys(desk: Desk) -> Document:
    """Those that were not deleted; `owner_project_access` tells apart those whose owner is no member any more."""
    access = desk.request.query_params.get("owner_project_access", "any")
    if access not in ACCESS:
        raise InvalidRequest(
            f"owner_project_access is {shown(access)}; it takes active, inactive or any", param="owner_project_access"
        )
    wanted = page_request(desk.request)
    if access == "any":
        page = page_of(desk.db, _TABLE, "*", _IS_OWN, (desk.project.id,), wanted)
        return list_document([_document(desk.read, key_of(desk.read, row)) for row in page.rows], page.has_more)
    chosen = list(islice(_with_access(desk, access, wanted), wanted.limit + 1))
    return list_document(chosen[: wanted.limit], len(chosen) > wanted.limit)


def _with_access(desk: Desk, access: str, wanted: PageRequest) -> Iterator[Document]:
    """Page by page: what an owner may do is known of one key at a time."""
    has_more, project_id = True, desk.project.id
    while has_more:
        page = page_of(desk.db, _TABLE, "*", _IS_OWN, (project_id,), wanted)
        keys_here = [_document(desk.read, key_of(desk.read, row)) for row in page.rows]
        yield from (key for key in keys_here if key["owner_project_access"] == access)
        has_more = page.has_more
        wanted = replace(wanted, after=page.rows[-1]["id"]) if page.rows else wanted


def create_key(change: Change, body: CreateProjectKey) -> Document:
    """A key of the project, or of a user in it. The only time that its value is shown."""
    project, scopes = change.project, project_scopes(body.scopes)
    if body.user_id is not None:
        users.find(change.read, change.organization_id, body.user_id)
    expires_at = None if body.expires_in_seconds is None else int(time.time()) + body.expires_in_seconds
    secret, key = keys.create_key(change.transaction, project.id, body.name, scopes, body.user_id, expires_at)
    change.log("api_key.created", key.id, project, data={"scopes": list(scopes)})
    return _document(change.read, key) | {"value": secret}


def retrieve_key(desk: Desk) -> Document:
    """One of them."""
    return _document(desk.read, find_project_key(desk.read, desk.project.id, desk.path("api_key_id")))


def delete_key(change: Change) -> Document:
    """It opens nothing any more. Keys of service accounts go with these, but for the last admin key."""
    project = change.project
    key = find_project_key(change.read, project.id, change.path("api_key_id"))
    with keys.keep_an_admin(change.transaction, change.organization_id):
        keys.revoke_keys(change.transaction, "id = ?", (key.id,))
    change.log("api_key.deleted", key.id, project)
    return {"object": "organization.project.api_key.deleted", "id": key.id, "deleted": True}


def rotate_key(change: Change, body: RotateKey) -> Document:
    """A new key of the same owner and scopes; the old one ends after `grace_seconds`."""
    project, now = change.project, int(time.time())
    old = find_project_key(change.read, project.id, change.path("api_key_id"))
    change.check_may_give(expand(old.scopes))
    secret, key = keys.create_key(change.transaction, project.id, old.name, old.scopes, old.owner_id, old.expires_at)
    keys.expire_key(change.transaction, old, now + body.grace_seconds)
    change.log("api_key.created", key.id, project, data={"scopes": list(key.scopes)})
    change.log("api_key.updated", old.id, project, changes_requested={"scopes": list(old.scopes)})
    return _document(change.read, key) | {"value": secret}


def project_scopes(names: list[str] | None) -> tuple[str, ...]:
    """The scopes of a new key of a project: all of its own unless some are named. Raises `InvalidRequest`."""
    scopes = ("api",) if names is None else check_scopes(names, "scopes")
    if beyond := expand(scopes) - API:
        raise InvalidRequest(
            f"Invalid 'scopes': {min(beyond)!r} concerns the organization; that needs an admin key.",
            param="scopes",
            code="invalid_value",
        )
    return scopes


def find_project_key(read: Read, project_id: str, key_id: str) -> Key:
    """Raises `NotFound`."""
    where = "keys.id = ? AND keys.project_id = ? AND keys.revoked_at IS NULL AND keys.scopes <> 'admin'"
    key = find_key(read, where, (key_id, project_id))
    if key is None:
        raise no_such("ApiKey", key_id)
    return key


def _document(read: Read, key: Key) -> Document:
    return project_key_document(key, project_owner(read, key))


PATH = "/v1/organization/projects/{project_id}/api_keys"
ROUTES = (
    Route(PATH, reading(list_keys), methods=["GET"]),
    Route(PATH, writing(CreateProjectKey, create_key), methods=["POST"]),
    Route(f"{PATH}/{{api_key_id}}", reading(retrieve_key), methods=["GET"]),
    Route(f"{PATH}/{{api_key_id}}", deleting(delete_key), methods=["DELETE"]),
    Route(f"{PATH}/{{api_key_id}}/rotate", writing(RotateKey, rotate_key), methods=["POST"]),
)

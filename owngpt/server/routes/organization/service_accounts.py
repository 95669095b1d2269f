"""/v1/organization/projects/{id}/service_accounts, and the keys that are made for them."""

from __future__ import annotations

from starlette.routing import Route

from owngpt.server.routes.organization.api_keys import project_scopes
from owngpt.server.routes.organization.desk import Change, Desk, Document, deleting, reading, writing
from owngpt.server.schemas.lists import list_document, page_request
from owngpt.server.schemas.organization.documents import account_document, account_key_document
from owngpt.server.schemas.organization.requests import (
    CreateServiceAccount,
    CreateServiceAccountKey,
    UpdateServiceAccount,
)
from owngpt.store import keys, service_accounts
from owngpt.store.paging import page_of
from owngpt.store.service_accounts import ServiceAccount, account_of


def list_accounts(desk: Desk) -> Document:
    """Those of the project."""
    page = page_of(desk.db, "service_accounts", "*", "project_id = ?", (desk.project.id,), page_request(desk.request))
    return list_document([account_document(account_of(row)) for row in page.rows], page.has_more)


def create_account(change: Change, body: CreateServiceAccount) -> Document:
    """As a member with a key, whose value is shown this one time; alone, it has no rights yet."""
    project, is_bare = change.project, bool(body.create_service_account_only)
    role = "none" if is_bare else "member"
    account = service_accounts.create(change.transaction, project.id, body.name, role)
    change.log("service_account.created", account.id, project, data={"role": role})
    api_key = None if is_bare else _new_key(change, account, "Secret Key", ("api",))
    return account_document(account) | {"api_key": api_key}


def retrieve_account(desk: Desk) -> Document:
    """One of them."""
    return account_document(service_accounts.find(desk.read, desk.project.id, desk.path("service_account_id")))


def update_account(change: Change, body: UpdateServiceAccount) -> Document:
    """Another name or role."""
    account = _find(change)
    name, role = body.name or account.name, body.role or account.role
    service_accounts.change(change.transaction, account, name, role)
    change.log(
        "service_account.updated", account.id, change.project, changes_requested=body.model_dump(exclude_none=True)
    )
    return account_document(_find(change))


def delete_account(change: Change) -> Document:
    """Its keys are revoked."""
    account = _find(change)
    service_accounts.delete(change.transaction, account)
    change.log("service_account.deleted", account.id, change.project)
    return {"object": "organization.project.service_account.deleted", "id": account.id, "deleted": True}


def create_account_key(change: Change, body: CreateServiceAccountKey) -> Document:
    """One more key for it."""
    return _new_key(change, _find(change), body.name or "Secret Key", project_scopes(body.scopes))


def _find(change: Change) -> ServiceAccount:
    return service_accounts.find(change.read, change.project.id, change.path("service_account_id"))


def _new_key(change: Change, account: ServiceAccount, name: str, scopes: tuple[str, ...]) -> Document:
    secret, key = keys.create_key(change.transaction, account.project_id, name, scopes, account.id)
    change.log("api_key.created", key.id, change.project, data={"scopes": list(scopes)})
    return account_key_document(secret, key)


PATH = "/v1/organization/projects/{project_id}/service_accounts"
ROUTES = (
    Route(PATH, reading(list_accounts), methods=["GET"]),
    Route(PATH, writing(CreateServiceAccount, create_account), methods=["POST"]),
    Route(f"{PATH}/{{service_account_id}}", reading(retrieve_account), methods=["GET"]),
    Route(f"{PATH}/{{service_account_id}}", writing(UpdateServiceAccount, update_account), methods=["POST"]),
    Route(f"{PATH}/{{service_account_id}}", deleting(delete_account), methods=["DELETE"]),
    Route(
        f"{PATH}/{{service_account_id}}/api_keys",
        writing(CreateServiceAccountKey, create_account_key),
        methods=["POST"],
    ),
)

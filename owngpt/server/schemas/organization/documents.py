"""People and rights as documents on the wire, field by field as OpenAI's spec has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from owngpt.store.db import Row
from owngpt.store.groups import Group
from owngpt.store.invites import Invite
from owngpt.store.keys import Key
from owngpt.store.projects import Project
from owngpt.store.roles import Role
from owngpt.store.service_accounts import ServiceAccount
from owngpt.store.users import User

Document = dict[str, Any]


def project_document(project: Project) -> Document:
    return {
        "id": project.id,
        "object": "organization.project",
        "name": project.name,
        "created_at": project.created_at,
        "archived_at": project.archived_at,
        "status": "active" if project.archived_at is None else "archived",
        "external_key_id": None,
        "residency": "GLOBAL",
    }


def user_document(user: User, projects: Sequence[Row] | None = None) -> Document:
    """`projects`: (id, name, role) of those that the user is a member of."""
    person = {"object": "user", "id": user.id, "email": user.email, "name": user.name, "picture": None}
    document: Document = {
        "object": "organization.user",
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "role": user.role,
        "added_at": user.added_at,
        "created": user.added_at,
        "is_default": False,
        "user": {**person, "enabled": True, "banned": False, "banned_at": None},
        "is_service_account": False,
        "is_scim_managed": False,
        "is_scale_tier_authorized_purchaser": None,
        "api_key_last_used_at": user.key_last_used_at,
        "technical_level": user.technical_level,
        "developer_persona": user.developer_persona,
    }
    if projects is not None:
        fields = ("id", "name", "role")
        data = [{field: project[field] for field in fields} for project in projects]
        document["projects"] = {"object": "list", "data": data}
    return document


def member_document(row: Row) -> Document:
    """A member of a project."""
    fields = {field: row[field] for field in ("id", "name", "email", "role", "added_at")}
    return {"object": "organization.project.user", **fields}


def account_document(account: ServiceAccount) -> Document:
    return {
        "object": "organization.project.service_account",
        "id": account.id,
        "name": account.name,
        "role": account.role,
        "created_at": account.created_at,
    }


def account_key_document(secret: str, key: Key) -> Document:
    """A service account's new key: the only time that its value is shown."""
    return {
        "object": "organization.project.service_account.api_key",
        "id": key.id,
        "name": key.name,
        "created_at": key.created_at,
        "value": secret,
    }


def project_key_document(key: Key, owner: Document) -> Document:
    """A key of a project, and some that OpenAI does not tell: `scopes`, `expires_at`."""
    is_active = bool(key.grant.scopes) and key.archived_at is None
    return {
        "object": "organization.project.api_key",
        "id": key.id,
        "name": key.name,
        "redacted_value": key.redacted,
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
        "expires_at": key.expires_at,
        "scopes": list(key.scopes),
        "owner_project_access": "active" if is_active else "inactive",
        "owner": owner,
    }


def admin_key_document(key: Key, owner: Document) -> Document:
    return {
        "object": "organization.admin_api_key",
        "id": key.id,
        "name": key.name,
        "redacted_value": key.redacted,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "owner": owner,
    }


def invite_document(invite: Invite, now: float) -> Document:
    return {
        "object": "organization.invite",
        "id": invite.id,
        "email": invite.email,
        "role": invite.role,
        "status": invite.status(now),
        "created_at": invite.created_at,
        "expires_at": invite.expires_at,
        "accepted_at": invite.accepted_at,
        "projects": [{"id": project, "role": role} for project, role in invite.projects],
    }


def group_document(group: Group) -> Document:
    return {
        "id": group.id,
        "name": group.name,
        "created_at": group.created_at,
        "is_scim_managed": False,
        "group_type": "group",
    }


def group_member_document(row: Row) -> Document:
    return {
        "id": row["id"],
        "name": row["name"],
        "email": row["email"],
        "picture": None,
        "is_service_account": bool(row["is_service_account"]),
        "user_type": "user",
    }


def project_group_document(row: Row) -> Document:
    return {
        "object": "project.group",
        "project_id": row["project_id"],
        "group_id": row["id"],
        "group_name": row["name"],
        "group_type": "group",
        "created_at": row["created_at"],
    }


def role_document(role: Role) -> Document:
    return {
        "object": "role",
        "id": role.id,
        "name": role.name,
        "description": role.description,
        "permissions": list(role.permissions),
        "resource_type": _resource_type(role),
        "predefined_role": role.is_predefined,
    }


def assigned_role_document(role: Role, sources: Sequence[str]) -> Document:
    """A role as somebody has it; `sources` are the ids of the users and groups that it was given to."""
    document = role_document(role)
    del document["object"]
    given = [{"principal_id": source, "principal_type": principal_type(source)} for source in sources]
    return document | {
        "created_at": role.created_at,
        "updated_at": role.updated_at,
        "created_by": role.created_by,
        "created_by_user_obj": None,
        "metadata": {},
        "assignment_sources": given,
    }


def principal_type(principal_id: str) -> str:
    return "group" if principal_id.startswith("group_") else "user"


def _resource_type(role: Role) -> str:
    """By its place; a predefined role of projects stands for all of them."""
    is_of_project = bool(role.project_id) or role.id.startswith("role-project-")
    return "api.project" if is_of_project else "api.organization"

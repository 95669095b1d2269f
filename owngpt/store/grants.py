"""What the owner of a key may do now: from people, groups, roles and the settings of the project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from owngpt.store import retention, roles
from owngpt.store.db import Row
from owngpt.store.project_settings import ModelRule, disabled_tools, model_rule
from owngpt.store.reading import Read
from owngpt.store.scopes import API, expand

USER_PREFIX = "user-"
ACCOUNT_PREFIX = "svc_acct_"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key opens at this time."""

    scopes: frozenset[str]
    groups: frozenset[str] = frozenset()
    keeps_nothing: bool = False
    models: ModelRule | None = None  # None: every model
    disabled_tools: frozenset[str] = frozenset()


def grant_of(read: Read, key: Row) -> Grant:
    """From a row of keys joined with its project and organization."""
    groups = _groups(read, key["owner_id"])
    own, limit = expand(key["scopes"].split()), _limit(read, key, sorted(groups))
    return Grant(
        own if limit is None else own & limit,
        groups,
        retention.keeps_nothing(key["retention"], key["organization_retention"]),
        model_rule(key),
        disabled_tools(key),
    )


def owner_scopes(read: Read, organization_id: str, project_id: str, owner_id: str) -> frozenset[str]:
    """All that a user or service account may do, in the project and in the organization."""
    if owner_id.startswith(ACCOUNT_PREFIX):
        return _account_scopes(read, project_id, owner_id)
    return _user_scopes(read, organization_id, project_id, owner_id, sorted(_groups(read, owner_id)))


def _limit(read: Read, key: Row, groups: Sequence[str]) -> frozenset[str] | None:
    """What the owner's rights leave of a key's scopes; None where a key has no owner, and stands for its project."""
    owner = key["owner_id"]
    if owner is None:
        return None
    if owner.startswith(ACCOUNT_PREFIX):
        return _account_scopes(read, key["project_id"], owner)
    return _user_scopes(read, key["organization_id"], key["project_id"], owner, groups)


def _groups(read: Read, owner_id: str | None) -> frozenset[str]:
    rows = read("SELECT group_id FROM group_members WHERE user_id = ?", (owner_id,)) if owner_id else []
    return frozenset(str(row["group_id"]) for row in rows)


def _account_scopes(read: Read, project_id: str, account_id: str) -> frozenset[str]:
    rows = read("SELECT role FROM service_accounts WHERE id = ? AND project_id = ?", (account_id, project_id))
    return API if rows and rows[0]["role"] != "none" else frozenset()


def _user_scopes(
    read: Read, organization_id: str, project_id: str, user_id: str, groups: Sequence[str]
) -> frozenset[str]:
    """A project's scopes are for its members, and for the owners of the organization."""
    rows = read("SELECT role FROM users WHERE id = ? AND organization_id = ?", (user_id, organization_id))
    if not rows:
        return frozenset()
    principals = (user_id, *groups)
    base = roles.resolve(read, organization_id, roles.ORGANIZATION, rows[0]["role"])
    added = [role for role, _ in roles.assigned(read, organization_id, principals, roles.ORGANIZATION)]
    scopes = base.scopes.union(*(role.scopes for role in added))
    memberships = _memberships(read, project_id, user_id, groups)
    if not memberships:
        return scopes if base.name == "owner" else scopes - API
    here = [roles.resolve(read, organization_id, project_id, name) for name in memberships]
    given = [role for role, _ in roles.assigned(read, organization_id, principals, project_id)]
    return scopes.union(*(role.scopes for role in (*here, *given)))


def _memberships(read: Read, project_id: str, user_id: str, groups: Sequence[str]) -> list[str]:
    """The base roles by which a user is a member: of its own, and of its groups."""
    rows = read("SELECT role FROM project_users WHERE project_id = ? AND user_id = ?", (project_id, user_id))
    marks = ", ".join("?" for _ in groups)
    if groups:
        where = f"project_id = ? AND group_id IN ({marks})"
        rows = [*rows, *read(f"SELECT role FROM project_groups WHERE {where}", (project_id, *groups))]
    return [str(row["role"]) for row in rows]

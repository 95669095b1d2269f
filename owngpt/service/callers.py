"""From a key to a `Caller`: what the key opens now, or why it opens nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from owngpt.errors import AuthenticationFailed, InvalidRequest, PermissionDenied
from owngpt.service.caller import Caller
from owngpt.store.keys import Key, Keys


def caller_of_key(key: Key) -> Caller:
    """The caller that a working key stands for."""
    grant = key.grant
    return Caller(
        key.project_id,
        key.project_name,
        key.organization_id,
        key.id,
        key.is_admin,
        user_id=key.owner_id,
        groups=grant.groups,
        keeps_nothing=grant.keeps_nothing,
        scopes=grant.scopes,
        models=grant.models,
        disabled_tools=grant.disabled_tools,
    )


def check_works(key: Key, shown: str, now: float) -> None:
    """Raise `AuthenticationFailed` if the key was revoked, is over, or its project is closed. `now`: Unix seconds."""
    if key.revoked_at is not None:
        raise AuthenticationFailed(f"The API key {shown} has been revoked. Use another one.")
    if key.expires_at is not None and key.expires_at <= now:
        raise AuthenticationFailed(f"The API key {shown} has expired. Use another one.", code="expired_api_key")
    if key.archived_at is not None:
        raise AuthenticationFailed(
            f"The project of the API key {shown} has been archived. Use a key of another one.", code="project_archived"
        )


def recall(keys: Keys, key_id: str, *, clock: Callable[[], float] = time.time) -> Caller:
    """The caller of a request that came before, with the rights that its key has now: for batches and background work.

    Reads the database. Raises `AuthenticationFailed` if the key works no more.
    """
    key = keys.by_id(key_id)
    if key is None:
        raise AuthenticationFailed(f"The API key {key_id} does not exist any more.")
    check_works(key, key_id, clock())
    return caller_of_key(key)


def check_scope(caller: Caller | None, needed: str) -> None:
    """Raise `PermissionDenied` in OpenAI's words unless the caller has that scope."""
    if caller is None or needed not in caller.scopes:
        raise PermissionDenied(
            f"You have insufficient permissions for this operation. Missing scopes: {needed}. Check the scopes of the "
            "API key, and the roles of its user.",
            code="missing_scope",
        )


def nothing_is_kept(param: str) -> InvalidRequest:
    """For a field that asks for storage, in a project with zero retention."""
    return InvalidRequest(
        f"Unsupported value for {param!r}: this project has zero data retention, so nothing of a request or an answer "
        "is kept.",
        param=param,
        code="unsupported_value",
    )

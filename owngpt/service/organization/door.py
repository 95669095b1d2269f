"""Who may come in: keys, the tokens of invitations, and a log of those that were turned away."""

from __future__ import annotations

import time
from collections.abc import Callable

from owngpt.errors import AuthenticationFailed
from owngpt.service.app import Caller
from owngpt.service.callers import caller_of_key, check_works
from owngpt.service.organization.actors import actor_of
from owngpt.store import audit, invites
from owngpt.store.db import Database
from owngpt.store.keys import PREFIX, Key, Keys
from owngpt.store.projects import organization_id
from owngpt.store.scopes import ACCEPT_INVITE

QUIET_SECONDS = 60.0  # the same failure is logged once in this time
MAX_FAILURES = 1024  # that are remembered for it


class Door:
    """Turns a secret into a `Caller`. `clock` gives Unix seconds."""

    def __init__(self, keys: Keys, db: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._db = db
        self._clock = clock
        self._failures: dict[tuple[str, str], float] = {}  # (who, what) -> when it was logged

    def peek(self, secret: str) -> Caller | None:
        """Without waiting for the disk: the caller of a key that is known from the last seconds, and works."""
        key = self._keys.peek(secret)
        try:
            return None if key is None else self._check(key, secret)
        except AuthenticationFailed:
            return None  # `open` says why, and writes it down

    def open(self, secret: str, address: str | None) -> Caller:
        """The caller that a secret stands for; `address` is where it comes from. Raises `AuthenticationFailed`."""
        if secret.startswith(invites.TOKEN_PREFIX):
            return _invited(invites.by_token(self._db.read, secret))
        key = self._keys.find(secret)
        try:
            if key is None:
                raise AuthenticationFailed(
                    f"Incorrect API key provided: {mask(secret)}. `owngpt keys list` shows the keys of this server."
                )
            return self._check(key, secret)
        except AuthenticationFailed as error:
            self._log(error, key, address)
            raise

    def touch(self, caller: Caller) -> None:
        """Note that the caller's key was used now."""
        self._keys.touch(caller.key_id)

    def _check(self, key: Key, secret: str) -> Caller:
        check_works(key, mask(secret), self._clock())
        return caller_of_key(key)

    def _log(self, error: AuthenticationFailed, key: Key | None, address: str | None) -> None:
        """Add `login.failed` to the audit log; not more than once a minute for a key or an address, so that nobody
        can fill the disk with it."""
        who, now = (key.id if key else address or "?", error.code or ""), self._clock()
        if now - self._failures.get(who, -QUIET_SECONDS) < QUIET_SECONDS:
            return
        if len(self._failures) >= MAX_FAILURES:
            del self._failures[next(iter(self._failures))]
        self._failures.pop(who, None)
        self._failures[who] = now
        details = {"error_code": error.code, "error_message": error.message}
        project = (key.project_id, key.project_name) if key else (None, None)
        event = audit.Event("login.failed", key.id if key else None, details, *project)
        with self._db.write() as transaction:
            actor = actor_of(transaction.execute, key.id if key else None, key.owner_id if key else None, address)
            audit.append(transaction, organization_id(transaction), actor, event)


def mask(secret: str) -> str:
    """Enough of a key to recognize it by, too little to use it."""
    if len(secret) < 16:
        return "***"
    return f"{secret[: len(PREFIX)] if secret.startswith(PREFIX) else secret[:3]}***{secret[-4:]}"


def _invited(invite: invites.Invite) -> Caller:
    """Somebody who may accept this invitation, and do nothing else."""
    scopes = frozenset({ACCEPT_INVITE})
    return Caller("", "", invite.organization_id, invite.id, is_admin=False, keeps_nothing=True, scopes=scopes)

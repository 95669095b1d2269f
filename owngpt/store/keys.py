"""API keys: made, shown once, kept as hashes, found again with all that they open, revoked.

A key is `sk-own-` and 43 random characters (256 bits), so its SHA-256 cannot be searched for; the slow hashes that
passwords need would only cost time on each request.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from owngpt.errors import ConfigError, Conflict, NotFound
from owngpt.store.cache import TimedCache
from owngpt.store.db import Database, Row, Transaction, Value
from owngpt.store.grants import Grant, grant_of
from owngpt.store.names import check_name
from owngpt.store.projects import DEFAULT, Projects
from owngpt.store.reading import Read, is_there

logger = logging.getLogger(__name__)

PREFIX = "sk-own-"
ADMIN_PREFIX = "sk-own-admin-"
GUESSABLE_LENGTH = 16
SCOPES = ("api", "admin")  # of a key that may do everything: see `scopes.py`
JOINED = """
    keys JOIN projects ON projects.id = keys.project_id
    JOIN organizations ON organizations.id = projects.organization_id
"""
COLUMNS = """
    keys.*, projects.name AS project_name, projects.organization_id, projects.archived_at, projects.retention,
    projects.model_mode, projects.model_ids, projects.disabled_tools, organizations.retention AS organization_retention
"""
_SELECT = f"SELECT {COLUMNS} FROM {JOINED}"
_IS_ADMIN = "keys.scopes LIKE '%admin%'"


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key, with its owner. Times are Unix seconds."""

    id: str
    name: str
    project_id: str
    project_name: str
    organization_id: str
    prefix: str  # the first characters of the secret, to recognize it by
    last4: str
    scopes: tuple[str, ...]  # as it was made: names of `scopes.py`
    created_at: int
    last_used_at: int | None
    revoked_at: int | None
    owner_id: str | None  # a user or service account; None: the project itself
    expires_at: int | None
    archived_at: int | None  # of its project
    grant: Grant  # what it opens, as of when it was read

    @property
    def is_admin(self) -> bool:
        return "admin" in self.scopes

    @property
    def redacted(self) -> str:
        """Enough to recognize it by, too little to use it."""
        return f"{self.prefix}***{self.last4}"


class NewKey(NamedTuple):
    """A key that was just made, with the secret that nobody can read again."""

    secret: str
    key: Key


class Keys:
    """The keys of all projects.

    `find` remembers what it has read for `cache_seconds`, so a key that another process revokes stops working
    within that time, and one that is revoked here at once.
    """

    def __init__(
        self, db: Database, *, cache_seconds: float = 2.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._db = db
        self._projects = Projects(db)
        self._cache: TimedCache[str, Key] = TimedCache(cache_seconds, max_size=4096, clock=clock)

    def create(
        self,
        name: str = "",
        *,
        project: str = DEFAULT,
        scopes: tuple[str, ...] = ("api",),
        owner_id: str | None = None,
        expires_at: int | None = None,
    ) -> NewKey:
        """A new key for a project, which is made if there is none of that name. Raises `InvalidRequest`."""
        owner = self._projects.ensure(project)
        with self._db.write() as transaction:
            return create_key(transaction, owner.id, name or "key", scopes, owner_id, expires_at)

    def ensure_admin(self, secret: str | None) -> str | None:
        """Make sure that somebody can get in.

        With a `secret` (from `OWNGPT_API_KEY`), that one is an admin key from now on, and nothing is returned.
        Without, and with no key in the database yet, one is made and returned, to be shown this one time.
        Raises `ConfigError` if `secret` cannot be a key, or was revoked.
        """
        if secret is None:
            has_keys = is_there(self._db.read, "SELECT 1 AS one FROM keys LIMIT 1", ())
            return None if has_keys else self.create("first admin key", scopes=SCOPES).secret
        _check_secret(secret)
        known = self._read(_hash(secret))
        if known is None:
            project = self._projects.ensure()
            with self._db.write() as transaction:
                _insert(transaction, secret, project.id, "OWNGPT_API_KEY", SCOPES)
        elif known.revoked_at is not None:
            raise ConfigError(f"OWNGPT_API_KEY is key {known.id}, which was revoked; set another one")
        elif not known.is_admin:
            raise ConfigError(f"OWNGPT_API_KEY is key {known.id}, which is not an admin key; set another one")
        return None

    def list(self) -> list[Key]:
        """All keys, also revoked ones, oldest first."""
        rows = self._db.read(f"{_SELECT} ORDER BY keys.created_at, keys.id")
        return [key_of(self._db.read, row) for row in rows]

    def find(self, secret: str) -> Key | None:
        """The key with this secret, also a revoked one. Reads the database when the cache does not know."""
        hash_ = _hash(secret)
        return self._cache.get(hash_) or self._cache.fill(hash_, lambda: self._read(hash_))

    def peek(self, secret: str) -> Key | None:
        """What the cache knows; never waits for the disk."""
        return self._cache.get(_hash(secret))

    def by_id(self, key_id: str) -> Key | None:
        """The key with this id, also a revoked one: for work that goes on after its request."""
        return find_key(self._db.read, "keys.id = ?", (key_id,))

    def forget(self) -> None:
        """Rights have changed: read every key anew."""
        self._cache.clear()

    def revoke(self, key_id: str) -> Key:
        """From now on the key opens nothing. Revoking twice changes nothing. Raises `NotFound`."""
        with self._db.write() as transaction:
            revoke_keys(transaction, "id = ?", (key_id,))
            key = find_key(transaction.execute, "keys.id = ?", (key_id,))
        self.forget()
        if key is None:
            raise _unknown(key_id)
        return key

    def rotate(self, key_id: str, until: int) -> NewKey:
        """A new key with the rights of another, which ends at that time (Unix seconds). Raises `NotFound`."""
        with self._db.write() as transaction:
            old = find_key(transaction.execute, "keys.id = ? AND keys.revoked_at IS NULL", (key_id,))
            if old is None:
                raise _unknown(key_id)
            expire_key(transaction, old, until)
            new = create_key(transaction, old.project_id, old.name, old.scopes, old.owner_id, old.expires_at)
        self.forget()
        return new

    def touch(self, key_id: str) -> None:
        """Note that the key was used now."""
        with self._db.write() as transaction:
            transaction.execute("UPDATE keys SET last_used_at = ? WHERE id = ?", (int(time.time()), key_id))

    def _read(self, hash_: str) -> Key | None:
        rows = self._db.read(f"{_SELECT} WHERE keys.hash = ?", (hash_,))
        is_right = bool(rows) and hmac.compare_digest(rows[0]["hash"], hash_)
        return key_of(self._db.read, rows[0]) if is_right else None


def create_key(
    transaction: Transaction,
    project_id: str,
    name: str,
    scopes: Sequence[str],
    owner_id: str | None = None,
    expires_at: int | None = None,
) -> NewKey:
    """A new key. `scopes` are checked names of `scopes.py`. Raises `InvalidRequest` for a name that cannot be."""
    prefix = ADMIN_PREFIX if tuple(scopes) == ("admin",) else PREFIX
    secret = prefix + secrets.token_urlsafe(32)
    return NewKey(secret, _insert(transaction, secret, project_id, name, scopes, owner_id, expires_at))


def find_key(read: Read, where: str, parameters: Sequence[Value]) -> Key | None:
    """The first key for which our own SQL `where` holds."""
    rows = read(f"{_SELECT} WHERE {where}", parameters)
    return key_of(read, rows[0]) if rows else None


def revoke_keys(transaction: Transaction, where: str, parameters: Sequence[Value]) -> None:
    """From now on these keys open nothing. Clear the cache of `Keys` after the commit."""
    transaction.execute(
        f"UPDATE keys SET revoked_at = ? WHERE {where} AND revoked_at IS NULL", (int(time.time()), *parameters)
    )


def expire_key(transaction: Transaction, key: Key, at: int) -> None:
    """End the key at that time (Unix seconds), unless it ends before."""
    until = at if key.expires_at is None else min(at, key.expires_at)
    transaction.execute("UPDATE keys SET expires_at = ? WHERE id = ?", (until, key.id))


@contextmanager
def keep_an_admin(transaction: Transaction, organization_id: str) -> Iterator[None]:
    """Raise `Conflict` (undoing the transaction) if what is done inside takes the last admin key that does not expire:
    nobody could make another one."""
    had_one = _has_admin(transaction, organization_id)
    yield
    if had_one and not _has_admin(transaction, organization_id):
        raise Conflict(
            "this would end the last admin key that does not expire, and nobody could manage the organization any "
            "more; make another one first"
        )


def _has_admin(transaction: Transaction, organization_id: str) -> bool:
    works = "keys.revoked_at IS NULL AND keys.expires_at IS NULL AND projects.archived_at IS NULL"
    owner = "(keys.owner_id IS NULL OR EXISTS (SELECT 1 FROM users WHERE id = keys.owner_id AND role = 'owner'))"
    where = f"projects.organization_id = ? AND {_IS_ADMIN} AND {works} AND {owner}"
    sql = f"SELECT 1 AS one FROM {JOINED} WHERE {where} LIMIT 1"
    return is_there(transaction.execute, sql, (organization_id,))


def key_of(read: Read, row: Row) -> Key:
    """From a row of `COLUMNS`."""
    return Key(
        id=row["id"],
        name=row["name"],
        project_id=row["project_id"],
        project_name=row["project_name"],
        organization_id=row["organization_id"],
        prefix=row["prefix"],
        last4=row["last4"],
        scopes=tuple(row["scopes"].split()),
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
        owner_id=row["owner_id"],
        expires_at=row["expires_at"],
        archived_at=row["archived_at"],
        grant=grant_of(read, row),
    )


def _insert(
    transaction: Transaction,
    secret: str,
    project_id: str,
    name: str,
    scopes: Sequence[str],
    owner_id: str | None = None,
    expires_at: int | None = None,
) -> Key:
    key_id, is_long = f"key_{secrets.token_hex(12)}", len(secret) >= GUESSABLE_LENGTH
    shown = next((prefix for prefix in (ADMIN_PREFIX, PREFIX) if secret.startswith(prefix)), "")
    transaction.execute(
        "INSERT INTO keys (id, project_id, name, hash, prefix, last4, scopes, created_at, owner_id, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key_id,
            project_id,
            check_name(name),
            _hash(secret),
            shown + secret[len(shown) : len(shown) + 3] if is_long else "",
            secret[-4:] if is_long else "",
            " ".join(scopes),
            int(time.time()),
            owner_id,
            expires_at,
        ),
    )
    key = find_key(transaction.execute, "keys.id = ?", (key_id,))
    assert key is not None, "a key was inserted and is not there"
    return key


def _unknown(key_id: str) -> NotFound:
    return NotFound(f"no API key has the id {key_id!r}; `owngpt keys list` shows them", param="id")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _check_secret(secret: str) -> None:
    """A key travels in a header: visible ASCII only."""
    if not secret or not all("!" <= character <= "~" for character in secret):
        raise ConfigError("OWNGPT_API_KEY must be visible ASCII characters without spaces")
    if len(secret) < GUESSABLE_LENGTH:
        logger.warning("OWNGPT_API_KEY has %d characters and can be guessed; use a long random one", len(secret))

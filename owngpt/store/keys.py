"""API keys: made, shown once, kept as hashes, found again, revoked.

A key is `sk-own-` and 43 random characters (256 bits), so its SHA-256 cannot be searched for; the slow hashes that
passwords need would only cost time on each request.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from owngpt.errors import ConfigError, NotFound
from owngpt.store.cache import TimedCache
from owngpt.store.db import Database, Row
from owngpt.store.projects import DEFAULT, Projects, check_name

logger = logging.getLogger(__name__)

PREFIX = "sk-own-"
GUESSABLE_LENGTH = 16
SCOPES = ("api", "admin")  # api: the routes under /v1; admin: also what concerns all projects
_COLUMNS = """
    SELECT keys.*, projects.name AS project_name, projects.organization_id
    FROM keys JOIN projects ON projects.id = keys.project_id
"""


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
    scopes: tuple[str, ...]
    created_at: int
    last_used_at: int | None
    revoked_at: int | None

    @property
    def is_admin(self) -> bool:
        return "admin" in self.scopes


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

    def create(self, name: str = "", *, project: str = DEFAULT, scopes: tuple[str, ...] = ("api",)) -> NewKey:
        """A new key for a project, which is made if there is none of that name. Raises `InvalidRequest`."""
        secret = PREFIX + secrets.token_urlsafe(32)
        return NewKey(secret, self._insert(secret, name or "key", project, scopes))

    def ensure_admin(self, secret: str | None) -> str | None:
        """Make sure that somebody can get in.

        With a `secret` (from `OWNGPT_API_KEY`), that one is an admin key from now on, and nothing is returned.
        Without, and with no key in the database yet, one is made and returned, to be shown this one time.
        Raises `ConfigError` if `secret` cannot be a key, or was revoked.
        """
        if secret is None:
            return self.create("first admin key", scopes=SCOPES).secret if not self.list() else None
        _check_secret(secret)
        known = self._read(_hash(secret))
        if known is None:
            self._insert(secret, "OWNGPT_API_KEY", DEFAULT, SCOPES)
        elif known.revoked_at is not None:
            raise ConfigError(f"OWNGPT_API_KEY is key {known.id}, which was revoked; set another one")
        elif not known.is_admin:
            raise ConfigError(f"OWNGPT_API_KEY is key {known.id}, which is not an admin key; set another one")
        return None

    def list(self) -> list[Key]:
        """All keys, also revoked ones, oldest first."""
        return [_key(row) for row in self._db.read(f"{_COLUMNS} ORDER BY keys.created_at, keys.id")]

    def find(self, secret: str) -> Key | None:
        """The key with this secret, also a revoked one. Reads the database when the cache does not know."""
        hash_ = _hash(secret)
        return self._cache.get(hash_) or self._cache.fill(hash_, lambda: self._read(hash_))

    def peek(self, secret: str) -> Key | None:
        """What the cache knows; never waits for the disk."""
        return self._cache.get(_hash(secret))

    def revoke(self, key_id: str) -> Key:
        """From now on the key opens nothing. Revoking twice changes nothing. Raises `NotFound`."""
        with self._db.write() as transaction:
            transaction.execute(
                "UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (int(time.time()), key_id)
            )
            rows = transaction.execute(f"{_COLUMNS} WHERE keys.id = ?", (key_id,))
        self._cache.clear()
        if not rows:
            raise NotFound(f"no API key has the id {key_id!r}; `owngpt keys list` shows them", param="id")
        return _key(rows[0])

    def touch(self, key_id: str) -> None:
        """Note that the key was used now."""
        with self._db.write() as transaction:
            transaction.execute("UPDATE keys SET last_used_at = ? WHERE id = ?", (int(time.time()), key_id))

    def _read(self, hash_: str) -> Key | None:
        rows = self._db.read(f"{_COLUMNS} WHERE keys.hash = ?", (hash_,))
        return _key(rows[0]) if rows and hmac.compare_digest(rows[0]["hash"], hash_) else None

    def _insert(self, secret: str, name: str, project: str, scopes: tuple[str, ...]) -> Key:
        owner = self._projects.ensure(project)
        assert set(scopes) <= set(SCOPES), f"unknown scopes {scopes}"
        key_id = f"key_{secrets.token_hex(12)}"
        shown = PREFIX if secret.startswith(PREFIX) else ""
        with self._db.write() as transaction:
            transaction.execute(
                "INSERT INTO keys (id, project_id, name, hash, prefix, last4, scopes, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key_id,
                    owner.id,
                    check_name(name),
                    _hash(secret),
                    shown + secret[len(shown) : len(shown) + 3] if len(secret) >= GUESSABLE_LENGTH else "",
                    secret[-4:] if len(secret) >= GUESSABLE_LENGTH else "",
                    " ".join(scopes),
                    int(time.time()),
                ),
            )
            return _key(transaction.execute(f"{_COLUMNS} WHERE keys.id = ?", (key_id,))[0])


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _check_secret(secret: str) -> None:
    """A key travels in a header: visible ASCII only."""
    if not secret or not all("!" <= character <= "~" for character in secret):
        raise ConfigError("OWNGPT_API_KEY must be visible ASCII characters without spaces")
    if len(secret) < GUESSABLE_LENGTH:
        logger.warning("OWNGPT_API_KEY has %d characters and can be guessed; use a long random one", len(secret))


def _key(row: Row) -> Key:
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
    )

"""The queue of files that wait to be read: the rows of `vector_store_files` that are in progress.

Whoever works on one holds it by a claim that ends after a while, so that what a dead process held is taken up by
another. Only who holds a file may say how far it is, and that it is finished.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from owngpt.store.db import Database, Transaction
from owngpt.store.documents import Documents
from owngpt.store.usage import add_stored_bytes
from owngpt.store.vector_store_files import (
    COLUMNS,
    TABLE,
    ErrorCode,
    Stage,
    VectorStoreFile,
    readers_of,
    vector_store_file,
)

LEASE_SECONDS = 15
_FREE = "status = 'in_progress' AND claimed_until <= ?"
_HELD = "vector_store_id = ? AND id = ? AND claim = ? AND status = 'in_progress'"


class Progress(NamedTuple):
    """How far the work on a file is: pages that were read, or chunks that were embedded."""

    stage: Stage = "waiting"
    done: int = 0
    total: int = 0


class IngestQueue:
    """Files that wait, of all projects."""

    def __init__(self, db: Database, *, clock: Callable[[], float] | None = None) -> None:
        """`clock` tells Unix seconds; None: the database's own, which servers that share it have in common."""
        self._db, self._clock = db, clock or db.now
        self._documents = Documents(db)

    def projects(self) -> list[str]:
        """Those that have files waiting which nobody works on; who waits longest comes first."""
        rows = self._db.read(
            f"SELECT project_id, MIN(created_at) AS oldest FROM {TABLE} WHERE {_FREE}"
            " GROUP BY project_id ORDER BY oldest",
            (self._now(),),
        )
        return [row["project_id"] for row in rows]

    def seconds_to_next(self) -> float | None:
        """Until a file that somebody holds may be taken from him; None if nothing waits."""
        rows = self._db.read(f"SELECT MIN(claimed_until) AS soon FROM {TABLE} WHERE status = 'in_progress'")
        return None if rows[0]["soon"] is None else max(0.0, rows[0]["soon"] - self._clock())

    def take(self, project_id: str) -> VectorStoreFile | None:
        """The project's file that waits longest, which is the caller's now."""
        claim, now = secrets.token_hex(8), self._now()
        with self._db.write() as transaction:
            rows = transaction.execute(
                f"SELECT vector_store_id, id FROM {TABLE} WHERE {_FREE} AND project_id = ?"
                " ORDER BY created_at, vector_store_id, id LIMIT 1",
                (now, project_id),
            )
            if not rows:
                return None
            key = (rows[0]["vector_store_id"], rows[0]["id"])
            taken = transaction.execute(
                f"UPDATE {TABLE} SET claim = ?, claimed_until = ? WHERE vector_store_id = ? AND id = ?"
                f" AND {_FREE} RETURNING {COLUMNS}",
                (claim, now + LEASE_SECONDS, *key, now),
            )
            return vector_store_file(taken[0], readers_of(transaction, *key)) if taken else None

    def renew(self, held: Sequence[tuple[VectorStoreFile, Progress]]) -> set[str]:
        """Hold them for longer, and say how far they are; -> the claims that are good no more.

        Those are of files that were cancelled, deleted, or added anew.
        """
        lost = set()
        with self._db.write() as transaction:
            for file, progress in held:
                rows = transaction.execute(
                    f"UPDATE {TABLE} SET claimed_until = ?, stage = ?, done = ?, total = ? WHERE {_HELD} RETURNING id",
                    (self._now() + LEASE_SECONDS, *progress, *_key(file)),
                )
                lost.update([] if rows else [file.claim])
        return lost

    def has_read(self, file: VectorStoreFile, digest: str, content: bytes, notes: Sequence[str]) -> bool:
        """Its text is there, so it will not be read again. False: it is held no more."""
        with self._db.write() as transaction:
            rows = transaction.execute(
                f"UPDATE {TABLE} SET digest = ?, notes = ? WHERE {_HELD} RETURNING id",
                (digest, json.dumps(list(notes), ensure_ascii=False), *_key(file)),
            )
            if rows:  # nothing stays of a file that was deleted meanwhile
                self._documents.put(transaction, file.project_id, digest, content)
        return bool(rows)

    def complete(
        self, transaction: Transaction, file: VectorStoreFile, usage_bytes: int, total: int
    ) -> VectorStoreFile | None:
        """It is finished, together with what the caller writes in this transaction.

        -> the file with the attributes and readers that it has now. None: it is held no more, so nothing counts.
        """
        rows = transaction.execute(
            f"UPDATE {TABLE} SET status = 'completed', stage = 'done', usage_bytes = ?, done = ?, total = ?, claim = ''"
            f" WHERE {_HELD} RETURNING {COLUMNS}",
            (usage_bytes, total, total, *_key(file)),
        )
        if not rows:
            return None
        add_stored_bytes(transaction, file.project_id, file.vector_store_id, usage_bytes)
        return vector_store_file(rows[0], readers_of(transaction, file.vector_store_id, file.id))

    def fail(self, file: VectorStoreFile, code: ErrorCode, message: str) -> None:
        """It cannot be read, for this reason."""
        with self._db.write() as transaction:
            transaction.execute(
                f"UPDATE {TABLE} SET status = 'failed', error_code = ?, error_message = ?, claim = '' WHERE {_HELD}",
                (code, message, *_key(file)),
            )

    def release(self, file: VectorStoreFile) -> None:
        """Back into the queue, for anybody, at once."""
        with self._db.write() as transaction:
            transaction.execute(f"UPDATE {TABLE} SET claimed_until = 0 WHERE {_HELD}", _key(file))

    def _now(self) -> int:
        return int(self._clock())


def _key(file: VectorStoreFile) -> tuple[str, str, str]:
    return file.vector_store_id, file.id, file.claim

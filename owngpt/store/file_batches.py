"""Batches of files that were added to a vector store together."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from owngpt.errors import NotFound
from owngpt.store.db import Database, Transaction
from owngpt.store.vector_stores import FileStatus, readable


@dataclass(frozen=True, slots=True)
class FileBatch:
    """One batch, and of its files those that somebody may read."""

    id: str
    vector_store_id: str
    project_id: str
    created_at: int  # Unix seconds
    is_cancelled: bool
    counts: Mapping[FileStatus, int]

    @property
    def status(self) -> Literal["in_progress", "completed", "cancelled", "failed"]:
        """Failed is one of which nothing could be read."""
        if self.counts.get("in_progress"):
            return "in_progress"
        if self.is_cancelled:
            return "cancelled"
        return "failed" if self.counts.get("failed") and not self.counts.get("completed") else "completed"


class FileBatches:
    """The batches of all stores; every question names the project."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, transaction: Transaction, project_id: str, vector_store_id: str, file_ids: Iterable[str]) -> str:
        """-> the id of a new one."""
        batch_id = f"vsfb_{secrets.token_hex(16)}"
        transaction.execute(
            "INSERT INTO vector_store_file_batches (id, vector_store_id, project_id, created_at) VALUES (?, ?, ?, ?)",
            (batch_id, vector_store_id, project_id, int(time.time())),
        )
        for file_id in file_ids:
            transaction.execute(
                "INSERT INTO vector_store_batch_files (batch_id, file_id) VALUES (?, ?)", (batch_id, file_id)
            )
        return batch_id

    def find(
        self, project_id: str, vector_store_id: str, batch_id: str, principals: Collection[str] | None = None
    ) -> FileBatch:
        """Raises `NotFound`. A file that is not in the store any more counts no more."""
        rows = self._db.read(
            "SELECT id, vector_store_id, project_id, created_at, is_cancelled FROM vector_store_file_batches"
            " WHERE id = ? AND vector_store_id = ? AND project_id = ?",
            (batch_id, vector_store_id, project_id),
        )
        if not rows:
            raise NotFound(f"No such VectorStoreFileBatch object: {batch_id}", param="batch_id")
        allowed, values = readable(principals)
        counts = self._db.read(
            "SELECT status, COUNT(*) AS number FROM vector_store_files WHERE vector_store_id = ?"
            " AND id IN (SELECT file_id FROM vector_store_batch_files WHERE batch_id = ?)"
            f" AND {allowed} GROUP BY status",
            (vector_store_id, batch_id, *values),
        )
        numbers: dict[FileStatus, int] = {row["status"]: int(row["number"]) for row in counts}
        return FileBatch(**{**rows[0], "is_cancelled": bool(rows[0]["is_cancelled"])}, counts=numbers)

    def cancel(self, batch: FileBatch, principals: Collection[str] | None = None) -> None:
        """What is not finished of it, and what these principals may read (None: anything), never will be; the files of
        others go on. Nothing changes for a batch that has ended.
        """
        if batch.status != "in_progress":
            return
        allowed, values = readable(principals)
        with self._db.write() as transaction:
            transaction.execute("UPDATE vector_store_file_batches SET is_cancelled = 1 WHERE id = ?", (batch.id,))
            transaction.execute(
                "UPDATE vector_store_files SET status = 'cancelled', claim = '' WHERE vector_store_id = ?"
                " AND status = 'in_progress' AND id IN"
                f" (SELECT file_id FROM vector_store_batch_files WHERE batch_id = ?) AND {allowed}",
                (batch.vector_store_id, batch.id, *values),
            )

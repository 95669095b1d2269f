"""The text of files as they were read, so that a file in two stores of a project is read once. Never shared further.

What is in a document, only the service knows. One that no file of a vector store names any more is deleted.
"""

from __future__ import annotations

import time

from owngpt.store.db import Database, Transaction


class Documents:
    """Documents by project and digest."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def find(self, project_id: str, digest: str) -> bytes | None:
        """What was kept under that digest."""
        rows = self._db.read("SELECT content FROM documents WHERE project_id = ? AND digest = ?", (project_id, digest))
        return bytes(rows[0]["content"]) if rows else None

    def put(self, transaction: Transaction, project_id: str, digest: str, content: bytes) -> None:
        """Keep it, unless it is there."""
        transaction.execute(
            "INSERT INTO documents (project_id, digest, content, created_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (project_id, digest) DO NOTHING",
            (project_id, digest, content, int(time.time())),
        )


def drop_unused(transaction: Transaction, project_id: str) -> None:
    """Delete the project's documents that no file names."""
    transaction.execute(
        "DELETE FROM documents WHERE project_id = ? AND digest NOT IN"
        " (SELECT digest FROM vector_store_files WHERE project_id = ? AND digest IS NOT NULL)",
        (project_id, project_id),
    )

"""What stored answers were made from: files, whose readers alone may read the answer again.

An owner is a response or a conversation. What goes on from one, or copies of it, has its sources, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from owngpt.store.db import Database, Row, Transaction
from owngpt.store.vector_store_files import readers_of
from owngpt.store.vector_stores import readable

Source = tuple[str, str]  # a vector store (empty: none), a file in it


class Quoted(NamedTuple):
    """A source with the readers that it had when it was quoted, sorted and joined by commas; empty: everybody."""

    vector_store_id: str
    file_id: str
    readers: str


class Sources:
    """Those of all projects; every question names the project."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def quoted(self, transaction: Transaction, project_id: str, sources: Iterable[Source]) -> frozenset[Quoted]:
        """These files, with the readers that they have now."""
        return frozenset(
            Quoted(*source, ",".join(sorted(_readers(transaction, project_id, *source)))) for source in sources
        )

    def of(self, project_id: str, owner_id: str) -> frozenset[Quoted]:
        """What the owner quotes, for those who go on from it or copy of it."""
        rows = self._db.read(
            "SELECT vector_store_id, file_id, readers FROM answer_sources WHERE owner_id = ? AND project_id = ?",
            (owner_id, project_id),
        )
        return frozenset(Quoted(**row) for row in rows)

    def add(self, transaction: Transaction, project_id: str, owner_id: str, quoted: Iterable[Quoted]) -> None:
        """The owner quotes these files. Of a file that is there twice, because it is gone meanwhile and has no readers
        any more, those that it had count."""
        for one in sorted(quoted, key=lambda one: (one[:2], not one.readers, one.readers)):
            transaction.execute(
                "INSERT INTO answer_sources (owner_id, project_id, vector_store_id, file_id, readers)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (owner_id, vector_store_id, file_id) DO NOTHING",
                (owner_id, project_id, *one),
            )

    def drop(self, transaction: Transaction, project_id: str, owner_id: str) -> None:
        """The owner is gone."""
        transaction.execute("DELETE FROM answer_sources WHERE owner_id = ? AND project_id = ?", (owner_id, project_id))

    def may_read(self, project_id: str, owner_id: str, principals: Collection[str]) -> bool:
        """Whether these principals may read every source: as of now, or for a file that is gone, as of then."""
        rows = self._db.read(
            "SELECT vector_store_id, file_id, readers FROM answer_sources WHERE owner_id = ? AND project_id = ?",
            (owner_id, project_id),
        )
        if not rows:
            return True
        present, allowed = self._present(project_id, rows, None), self._present(project_id, rows, principals)
        return all(_may_read(row, present, allowed, principals) for row in rows)

    def _present(self, project_id: str, rows: Collection[Row], principals: Collection[str] | None) -> set[Source]:
        """The sources that are still there, of those that the principals may read; None: of all."""
        files = sorted({str(row["file_id"]) for row in rows})
        where, values = readable(principals)
        found = self._db.read(
            "SELECT vector_store_id, id FROM vector_store_files WHERE project_id = ?"
            f" AND id IN ({', '.join('?' for _ in files)}) AND {where}",
            (project_id, *files, *values),
        )
        return {(row["vector_store_id"], row["id"]) for row in found}


def _readers(transaction: Transaction, project_id: str, vector_store_id: str, file_id: str) -> frozenset[str]:
    """As of now. Those of a file itself never change."""
    if vector_store_id:
        return readers_of(transaction, vector_store_id, file_id)
    rows = transaction.execute(
        "SELECT principal FROM file_readers JOIN files ON files.id = file_id WHERE file_id = ? AND project_id = ?",
        (file_id, project_id),
    )
    return frozenset(str(row["principal"]) for row in rows)


def _may_read(row: Row, present: set[Source], allowed: set[Source], principals: Collection[str]) -> bool:
    source, then = (row["vector_store_id"], row["file_id"]), set(str(row["readers"]).split(",")) - {""}
    return source in allowed if source in present else not then or not then.isdisjoint(principals)

"""The files of vector stores. A file with readers exists only for them."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from owngpt.errors import NotFound, PermissionDenied
from owngpt.store.chunks import Attributes
from owngpt.store.db import Database, Row, Transaction, Value
from owngpt.store.documents import drop_unused
from owngpt.store.paging import PageRequest, page_of
from owngpt.store.usage import add_stored_bytes
from owngpt.store.vector_stores import FileStatus, Index, readable

Stage = Literal["waiting", "reading", "embedding", "done"]
ErrorCode = Literal["server_error", "unsupported_file", "invalid_file"]

_SCALARS = (
    "vector_store_id, id, project_id, key_id, filename, status, error_code, error_message, digest, usage_bytes, stage,"
    " done, total, created_at, claim"
)
COLUMNS = f"{_SCALARS}, attributes, chunking, notes"
TABLE = "vector_store_files"


@dataclass(frozen=True, slots=True)
class Chunking:
    """How large the chunks of a file are, in tokens."""

    max_tokens: int
    overlap: int


@dataclass(frozen=True, slots=True)
class NewVectorStoreFile:
    """What is to be added to a store. `readers` are those who may read it there, the file's own among them."""

    file_id: str
    filename: str
    attributes: Attributes
    chunking: Chunking
    readers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class VectorStoreFile:
    """A file in a store. `done` of `total` pages are read, or chunks embedded, as `stage` says."""

    vector_store_id: str
    id: str  # the file's
    project_id: str
    key_id: str
    filename: str
    status: FileStatus
    error_code: ErrorCode | None
    error_message: str | None
    digest: str | None  # of its document, once it has been read
    usage_bytes: int
    stage: Stage
    done: int
    total: int
    created_at: int  # Unix seconds
    claim: str
    attributes: Attributes
    chunking: Chunking
    notes: tuple[str, ...] = ()
    readers: frozenset[str] = frozenset()

    @property
    def owner(self) -> str:
        """What the ids of its chunks begin with."""
        return f"{self.vector_store_id}.{self.id}"


@dataclass(frozen=True, slots=True)
class VectorStoreFilePage:
    """One page of a list of files."""

    files: list[VectorStoreFile]
    has_more: bool


class VectorStoreFiles:
    """The files of all stores. `principals` are who asks, as for `Files`; None sees all."""

    def __init__(self, db: Database, index: Index) -> None:
        self._db, self._index = db, index

    def add(
        self,
        transaction: Transaction,
        project_id: str,
        key_id: str,
        vector_store_id: str,
        files: Sequence[NewVectorStoreFile],
        principals: Collection[str] | None = None,
    ) -> None:
        """Put files into the queue. One that is in the store already is read anew, and not found until then.

        Raises `PermissionDenied` if it is there for readers that these principals are not among; None: whoever adds it.
        """
        now = int(time.time())
        for file in files:
            _check_readable(transaction, vector_store_id, file.file_id, principals)
            self._index.remove(transaction, vector_store_id, file.file_id)
            _delete(transaction, vector_store_id, file.file_id)
            _insert(transaction, project_id, key_id, vector_store_id, file, now)
        transaction.execute("UPDATE vector_stores SET last_active_at = ? WHERE id = ?", (now, vector_store_id))

    def find(
        self, project_id: str, vector_store_id: str, file_id: str, principals: Collection[str] | None = None
    ) -> VectorStoreFile:
        """Raises `NotFound`."""
        allowed, values = readable(principals)
        rows = self._db.read(
            f"SELECT {COLUMNS} FROM {TABLE} WHERE vector_store_id = ? AND id = ? AND project_id = ? AND {allowed}",
            (vector_store_id, file_id, project_id, *values),
        )
        if not rows:
            raise no_such_file(vector_store_id, file_id)
        return self._read_files(rows)[0]

    def page(
        self,
        project_id: str,
        vector_store_id: str,
        page: PageRequest,
        principals: Collection[str] | None = None,
        status: FileStatus | None = None,
        batch_id: str | None = None,
    ) -> VectorStoreFilePage:
        """A part of the list of those that they may read, of one status or batch if that is asked for."""
        allowed, more = readable(principals)
        where, values = f"vector_store_id = ? AND project_id = ? AND {allowed}", [vector_store_id, project_id, *more]
        if status is not None:
            where, values = f"{where} AND status = ?", [*values, status]
        if batch_id is not None:
            where = f"{where} AND id IN (SELECT file_id FROM vector_store_batch_files WHERE batch_id = ?)"
            values = [*values, batch_id]
        found = page_of(self._db, TABLE, COLUMNS, where, values, page)
        return VectorStoreFilePage(self._read_files(found.rows), found.has_more)

    def set_attributes(self, file: VectorStoreFile, attributes: Attributes, readers: frozenset[str]) -> None:
        """For the row and all chunks at once. Raises `NotFound` if it is gone meanwhile."""
        key = (file.vector_store_id, file.id)
        with self._db.write() as transaction:
            rows = transaction.execute(
                f"UPDATE {TABLE} SET attributes = ? WHERE vector_store_id = ? AND id = ? RETURNING id",
                (json.dumps(dict(attributes)), *key),
            )
            if not rows:
                raise no_such_file(*key)
            transaction.execute("DELETE FROM vector_store_file_readers WHERE vector_store_id = ? AND file_id = ?", key)
            _insert_readers(transaction, *key, readers)
            self._index.set_attributes(transaction, *key, attributes, readers)

    def delete(self, file: VectorStoreFile) -> None:
        """From its store; the file itself stays."""
        with self._db.write() as transaction:
            self._index.remove(transaction, file.vector_store_id, file.id)
            _delete(transaction, file.vector_store_id, file.id)
            drop_unused(transaction, file.project_id)

    def file_removed(self, transaction: Transaction, file_id: str) -> None:
        """A file is deleted: it goes from all stores, in the same transaction."""
        rows = transaction.execute(f"SELECT vector_store_id, project_id FROM {TABLE} WHERE id = ?", (file_id,))
        for row in rows:
            self._index.remove(transaction, row["vector_store_id"], file_id)
            _delete(transaction, row["vector_store_id"], file_id)
        for project_id in {row["project_id"] for row in rows}:
            drop_unused(transaction, project_id)

    def _read_files(self, rows: Sequence[Row]) -> list[VectorStoreFile]:
        readers: dict[str, set[str]] = {row["id"]: set() for row in rows}
        if rows:
            marks = ", ".join("?" for _ in readers)
            found = self._db.read(
                "SELECT file_id, principal FROM vector_store_file_readers"
                f" WHERE vector_store_id = ? AND file_id IN ({marks})",
                (rows[0]["vector_store_id"], *readers),
            )
            for row in found:
                readers[row["file_id"]].add(row["principal"])
        return [vector_store_file(row, frozenset(readers[row["id"]])) for row in rows]


def _check_readable(
    transaction: Transaction, vector_store_id: str, file_id: str, principals: Collection[str] | None
) -> None:
    allowed, values = readable(principals)
    where = f"vector_store_id = ? AND id = ? AND NOT ({allowed})"
    if transaction.execute(f"SELECT id FROM {TABLE} WHERE {where}", (vector_store_id, file_id, *values)):
        raise PermissionDenied(
            f"The vector store {vector_store_id} holds {file_id} already, for readers that you are not among, and to "
            "add it again would open it. Ask one of them, or use another vector store.",
            code="restricted_documents",
        )


def vector_store_file(row: Row, readers: frozenset[str]) -> VectorStoreFile:
    """From a row of `COLUMNS`."""
    values: dict[str, Any] = dict(row)
    values["attributes"] = json.loads(values["attributes"])
    values["chunking"] = Chunking(**json.loads(values["chunking"]))
    values["notes"] = tuple(json.loads(values["notes"]))
    return VectorStoreFile(**values, readers=readers)


def readers_of(transaction: Transaction, vector_store_id: str, file_id: str) -> frozenset[str]:
    """Who may read a file; empty: the whole project."""
    rows = transaction.execute(
        "SELECT principal FROM vector_store_file_readers WHERE vector_store_id = ? AND file_id = ?",
        (vector_store_id, file_id),
    )
    return frozenset(row["principal"] for row in rows)


def no_such_file(vector_store_id: str, file_id: str) -> NotFound:
    """The same whether there is none, or others may read it."""
    return NotFound(f"No such file in vector store {vector_store_id}: {file_id}", param="file_id")


def _insert(
    transaction: Transaction,
    project_id: str,
    key_id: str,
    vector_store_id: str,
    file: NewVectorStoreFile,
    now: int,
) -> None:
    chunking = json.dumps({"max_tokens": file.chunking.max_tokens, "overlap": file.chunking.overlap})
    values: Mapping[str, Value] = {
        "vector_store_id": vector_store_id,
        "id": file.file_id,
        "project_id": project_id,
        "key_id": key_id,
        "filename": file.filename,
        "status": "in_progress",
        "attributes": json.dumps(dict(file.attributes)),
        "chunking": chunking,
        "created_at": now,
    }
    marks = ", ".join("?" for _ in values)
    transaction.execute(f"INSERT INTO {TABLE} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))
    _insert_readers(transaction, vector_store_id, file.file_id, file.readers)


def _insert_readers(transaction: Transaction, vector_store_id: str, file_id: str, readers: frozenset[str]) -> None:
    for principal in sorted(readers):
        transaction.execute(
            "INSERT INTO vector_store_file_readers (vector_store_id, file_id, principal) VALUES (?, ?, ?)",
            (vector_store_id, file_id, principal),
        )


def _delete(transaction: Transaction, vector_store_id: str, file_id: str) -> None:
    rows = transaction.execute(
        f"DELETE FROM {TABLE} WHERE vector_store_id = ? AND id = ? RETURNING project_id, usage_bytes",
        (vector_store_id, file_id),
    )
    for row in rows:
        add_stored_bytes(transaction, row["project_id"], vector_store_id, -row["usage_bytes"])

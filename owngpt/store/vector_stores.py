"""Vector stores: their rows, how many files are in each, and when they expire."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from owngpt.errors import InvalidRequest, NotFound, PermissionDenied
from owngpt.store.db import Database, Row, Transaction, Value
from owngpt.store.documents import drop_unused
from owngpt.store.paging import PageRequest, page_of
from owngpt.store.usage import add_stored_bytes

DAY = 24 * 3600  # seconds
TOUCH_SECONDS = 60  # how often at most it is written that a store was used

FileStatus = Literal["in_progress", "completed", "cancelled", "failed"]
STATUSES: tuple[FileStatus, ...] = ("in_progress", "completed", "cancelled", "failed")
_COLUMNS = "id, project_id, name, description, metadata, expires_after_days, created_at, last_active_at, expired_at"


class Index(Protocol):
    """What is searched: it changes in the same transactions as the rows here."""

    def remove(self, transaction: Transaction, vector_store_id: str, file_id: str | None = None) -> None: ...

    def set_attributes(
        self,
        transaction: Transaction,
        vector_store_id: str,
        file_id: str,
        attributes: Mapping[str, str | float | bool],
        readers: frozenset[str],
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class VectorStore:
    """One store, and of its files those that somebody may read. Times are Unix seconds."""

    id: str
    project_id: str
    name: str
    description: str
    metadata: Mapping[str, str]
    expires_after_days: int | None
    created_at: int
    last_active_at: int
    expired_at: int | None
    counts: Mapping[FileStatus, int] = field(default_factory=dict)
    usage_bytes: int = 0

    @property
    def expires_at(self) -> int | None:
        """When it expires unless it is used before."""
        return None if self.expires_after_days is None else self.last_active_at + self.expires_after_days * DAY

    @property
    def status(self) -> Literal["expired", "in_progress", "completed"]:
        if self.expired_at is not None or (self.expires_at is not None and self.expires_at <= time.time()):
            return "expired"
        return "in_progress" if self.counts.get("in_progress") else "completed"


@dataclass(frozen=True, slots=True)
class VectorStorePage:
    """One page of a list of stores."""

    stores: list[VectorStore]
    has_more: bool


class VectorStores:
    """The stores of all projects; every question names the project, and who asks by their `principals`."""

    def __init__(self, db: Database, index: Index) -> None:
        self._db, self._index = db, index

    def add(
        self, project_id: str, name: str, description: str, metadata: Mapping[str, str], expires_after_days: int | None
    ) -> VectorStore:
        """A new one, without files."""
        with self._db.write() as transaction:
            return self.add_in(transaction, project_id, name, description, metadata, expires_after_days)

    def add_in(
        self,
        transaction: Transaction,
        project_id: str,
        name: str,
        description: str,
        metadata: Mapping[str, str],
        expires_after_days: int | None,
    ) -> VectorStore:
        """The same inside a transaction of the caller's."""
        now = int(time.time())
        store = VectorStore(
            f"vs_{secrets.token_hex(16)}", project_id, name, description, metadata, expires_after_days, now, now, None
        )
        transaction.execute(
            f"INSERT INTO vector_stores ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (store.id, project_id, name, description, _json(metadata), expires_after_days, now, now, None),
        )
        return store

    def find(self, project_id: str, vector_store_id: str, principals: Collection[str] | None = None) -> VectorStore:
        """Raises `NotFound`. Files are counted that these principals may read; None: all."""
        rows = self._db.read(
            f"SELECT {_COLUMNS} FROM vector_stores WHERE id = ? AND project_id = ?", (vector_store_id, project_id)
        )
        if not rows:
            raise no_such_store(vector_store_id)
        return self._counted(rows, principals)[0]

    def page(self, project_id: str, page: PageRequest, principals: Collection[str] | None = None) -> VectorStorePage:
        """A part of the list of the project's stores."""
        found = page_of(self._db, "vector_stores", _COLUMNS, "project_id = ?", (project_id,), page)
        return VectorStorePage(self._counted(found.rows, principals), found.has_more)

    def update(
        self,
        project_id: str,
        vector_store_id: str,
        changes: Mapping[str, Value],
        principals: Collection[str] | None = None,
    ) -> None:
        """Change columns: name, metadata (JSON), expires_after_days. Raises `NotFound`, and `PermissionDenied` as
        `delete` does for a store that is to expire.
        """
        assert changes.keys() <= {"name", "metadata", "expires_after_days"}, changes
        values = {**changes, "last_active_at": int(time.time())}
        sets = ", ".join(f"{name} = ?" for name in values)
        with self._db.write() as transaction:
            if changes.get("expires_after_days") is not None:
                _check_all_readable(transaction, project_id, vector_store_id, principals)
            rows = transaction.execute(
                f"UPDATE vector_stores SET {sets} WHERE id = ? AND project_id = ? RETURNING id",
                (*values.values(), vector_store_id, project_id),
            )
        if not rows:
            raise no_such_store(vector_store_id)

    def delete(self, project_id: str, vector_store_id: str, principals: Collection[str] | None = None) -> None:
        """The store with all that is in it; the files themselves stay.

        Raises `NotFound`, and `PermissionDenied` if these principals may not read all of its files; None: may.
        """
        with self._db.write() as transaction:
            where, values = "id = ? AND project_id = ?", (vector_store_id, project_id)
            if not transaction.execute(f"SELECT id FROM vector_stores WHERE {where}", values):
                raise no_such_store(vector_store_id)
            _check_all_readable(transaction, project_id, vector_store_id, principals)
            self._empty(transaction, project_id, vector_store_id)
            transaction.execute("DELETE FROM vector_store_file_batches WHERE vector_store_id = ?", (vector_store_id,))
            transaction.execute(f"DELETE FROM vector_stores WHERE {where}", values)

    def use(self, project_id: str, vector_store_ids: Sequence[str]) -> None:
        """They are used now. Raises `NotFound`, and `InvalidRequest` for one that has expired."""
        for vector_store_id in vector_store_ids:
            check_live(self.find(project_id, vector_store_id))
        self._touch(project_id, vector_store_ids)

    def _touch(self, project_id: str, vector_store_ids: Sequence[str]) -> None:
        """Written once a minute at most."""
        now = int(time.time())
        marks = ", ".join("?" for _ in vector_store_ids)
        where = f"project_id = ? AND id IN ({marks}) AND last_active_at < ? AND expired_at IS NULL"
        values: tuple[Value, ...] = (project_id, *vector_store_ids, now - TOUCH_SECONDS)
        if vector_store_ids and self._db.read(f"SELECT id FROM vector_stores WHERE {where}", values):
            with self._db.write() as transaction:
                transaction.execute(f"UPDATE vector_stores SET last_active_at = ? WHERE {where}", (now, *values))

    def expire(self) -> int:
        """Empty the stores whose time is over; -> how many these were."""
        now = int(time.time())
        with self._db.write() as transaction:
            rows = transaction.execute(
                "UPDATE vector_stores SET expired_at = ? WHERE expired_at IS NULL AND expires_after_days IS NOT NULL"
                " AND last_active_at + expires_after_days * ? <= ? RETURNING id, project_id",
                (now, DAY, now),
            )
            for row in rows:
                self._empty(transaction, row["project_id"], row["id"])
        return len(rows)

    def _empty(self, transaction: Transaction, project_id: str, vector_store_id: str) -> None:
        self._index.remove(transaction, vector_store_id)
        rows = transaction.execute(
            "DELETE FROM vector_store_files WHERE vector_store_id = ? RETURNING usage_bytes", (vector_store_id,)
        )
        drop_unused(transaction, project_id)
        add_stored_bytes(transaction, project_id, vector_store_id, -sum(row["usage_bytes"] for row in rows))

    def _counted(self, rows: Sequence[Row], principals: Collection[str] | None) -> list[VectorStore]:
        """The rows as stores, with the numbers of their files."""
        if not rows:
            return []
        where, values = readable(principals)
        marks = ", ".join("?" for _ in rows)
        counts = self._db.read(
            "SELECT vector_store_id, status, COUNT(*) AS number, SUM(usage_bytes) AS usage_bytes"
            f" FROM vector_store_files WHERE vector_store_id IN ({marks}) AND {where} GROUP BY vector_store_id, status",
            (*(row["id"] for row in rows), *values),
        )
        return [_store(row, [count for count in counts if count["vector_store_id"] == row["id"]]) for row in rows]


def readable(principals: Collection[str] | None) -> tuple[str, list[Value]]:
    """A condition on `vector_store_files`, and its parameters: these principals may read the file; None: any."""
    if principals is None:
        return "1 = 1", []
    readers = (
        "SELECT 1 FROM vector_store_file_readers AS r WHERE r.vector_store_id = vector_store_files.vector_store_id"
        " AND r.file_id = vector_store_files.id"
    )
    if not principals:
        return f"NOT EXISTS ({readers})", []
    marks = ", ".join("?" for _ in principals)
    return f"(NOT EXISTS ({readers}) OR EXISTS ({readers} AND r.principal IN ({marks})))", [*sorted(principals)]


def _check_all_readable(
    transaction: Transaction, project_id: str, vector_store_id: str, principals: Collection[str] | None
) -> None:
    where, values = readable(principals)
    hidden = transaction.execute(
        f"SELECT id FROM vector_store_files WHERE project_id = ? AND vector_store_id = ? AND NOT {where} LIMIT 1",
        (project_id, vector_store_id, *values),
    )
    if hidden:
        raise PermissionDenied(
            f"The vector store {vector_store_id} also holds documents of others, which would be lost. Ask one of their "
            "readers, or use an admin key.",
            code="restricted_documents",
        )


def check_live(store: VectorStore) -> None:
    """Raises `InvalidRequest` if it has expired: its files are gone."""
    if store.status == "expired":
        raise InvalidRequest(
            f"The vector store {store.id} has expired, and its files are no longer in it; make a new one.",
            param="vector_store_id",
            code="vector_store_expired",
        )


def no_such_store(vector_store_id: str) -> NotFound:
    """OpenAI's words; the same whether there is none, or another project has it."""
    return NotFound(f"No such VectorStore object: {vector_store_id}", param="vector_store_id")


def _json(metadata: Mapping[str, str]) -> str:
    return json.dumps(dict(metadata), ensure_ascii=False)


def _store(row: Row, counts: Sequence[Row]) -> VectorStore:
    numbers: dict[FileStatus, int] = {count["status"]: int(count["number"]) for count in counts}
    usage_bytes = sum(int(count["usage_bytes"]) for count in counts)
    values = {**row, "metadata": json.loads(row["metadata"])}
    return VectorStore(**values, counts=numbers, usage_bytes=usage_bytes)

"""Files: their rows, and the bytes that the rows name. A file with readers exists only for them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from owngpt.errors import NotFound
from owngpt.store.blobs import Blobs, Staged
from owngpt.store.db import Database, Row, Transaction, Value
from owngpt.store.paging import PageRequest, page_of

Removal = Callable[[Transaction, str], None]  # called with a file's id, in the transaction in which its row goes

_COLUMNS = "id, project_id, filename, purpose, bytes, sha256, created_at, expires_at"
_LIVES = "(expires_at IS NULL OR expires_at > ?)"


@dataclass(frozen=True, slots=True)
class File:
    """What is known of a file beside its bytes. Times are Unix seconds."""

    id: str
    project_id: str
    filename: str
    purpose: str
    bytes: int
    sha256: str
    created_at: int
    expires_at: int | None
    readers: frozenset[str] = frozenset()  # user:ID, group:ID, key:ID; empty: the whole project


@dataclass(frozen=True, slots=True)
class NewFile:
    """What a file is to be. `seconds` is how long it lives; None: until it is deleted."""

    project_id: str
    filename: str
    purpose: str
    readers: frozenset[str] = frozenset()
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class FilePage:
    """One page of a list of files."""

    files: list[File]
    has_more: bool


class Files:
    """The files of all projects. `principals` are who asks: what a restricted file's readers must name one of;
    None is for the server's own work, and sees all files of the project."""

    def __init__(self, db: Database, blobs: Blobs) -> None:
        self._db, self.blobs = db, blobs
        self._removals: list[Removal] = []

    def on_removal(self, removal: Removal) -> None:
        """Have what depends on a file go with it, in the same transaction."""
        self._removals.append(removal)

    def add(self, new: NewFile, staged: Staged) -> File:
        """Row and bytes, on disk when this returns."""
        with self._db.write() as transaction:
            return self.add_in(transaction, new, staged)

    def add_in(self, transaction: Transaction, new: NewFile, staged: Staged) -> File:
        """The same inside a transaction of the caller's."""
        now = int(time.time())
        file = File(
            f"file-{secrets.token_hex(16)}",
            new.project_id,
            new.filename,
            new.purpose,
            staged.bytes,
            staged.sha256,
            now,
            None if new.seconds is None else now + new.seconds,
            new.readers,
        )
        self.blobs.keep(transaction, staged)
        _insert(transaction, file)
        return file

    def find(self, project_id: str, file_id: str, principals: Collection[str] | None = None) -> File:
        """A file of the project that these principals may read. Raises `NotFound`."""
        where, parameters = _visible(project_id, principals)
        rows = self._db.read(f"SELECT {_COLUMNS} FROM files WHERE id = ? AND {where}", (file_id, *parameters))
        if not rows:
            raise no_such_file(file_id)
        return self._read_files(rows)[0]

    def page(
        self, project_id: str, page: PageRequest, principals: Collection[str] | None = None, purpose: str | None = None
    ) -> FilePage:
        """A part of the list of what they may read."""
        where, parameters = _visible(project_id, principals)
        if purpose is not None:
            where, parameters = f"{where} AND purpose = ?", [*parameters, purpose]
        found = page_of(self._db, "files", _COLUMNS, where, parameters, page)
        return FilePage(self._read_files(found.rows), found.has_more)

    def open(self, file: File) -> BinaryIO:
        """Its bytes, which stay readable when it is deleted meanwhile. Raises `NotFound` if they are gone."""
        try:
            return self.blobs.open(file.sha256)
        except FileNotFoundError as error:
            raise no_such_file(file.id) from error

    def delete(self, project_id: str, file_id: str, principals: Collection[str] | None = None) -> None:
        """Row, bytes and what depends on them. Raises `NotFound`."""
        where, parameters = _visible(project_id, principals)
        with self._db.write() as transaction:
            rows = transaction.execute(f"SELECT {_COLUMNS} FROM files WHERE id = ? AND {where}", (file_id, *parameters))
            self._remove(transaction, rows)
        if not rows:
            raise no_such_file(file_id)
        self.blobs.release(self._db, [rows[0]["sha256"]])

    def prune(self, project_id: str | None = None) -> int:
        """Delete what has expired, of all projects or of one; -> how many files that were, some hundred at most.

        It costs a look where nothing has, so that a search can call it: what has expired is found no more.
        """
        where = "expires_at <= ?"
        values: list[Value] = [int(time.time())]
        if project_id is not None:
            where, values = f"{where} AND project_id = ?", [*values, project_id]
        query = f"SELECT {_COLUMNS} FROM files WHERE {where} ORDER BY expires_at LIMIT 500"
        if not self._db.read(query, values):
            return 0
        with self._db.write() as transaction:
            rows = transaction.execute(query, values)
            self._remove(transaction, rows)
        self.blobs.release(self._db, [row["sha256"] for row in rows])
        return len(rows)

    def _remove(self, transaction: Transaction, rows: Sequence[Row]) -> None:
        for row in rows:
            for removal in self._removals:
                removal(transaction, row["id"])
            transaction.execute("DELETE FROM files WHERE id = ?", (row["id"],))

    def _read_files(self, rows: Sequence[Row]) -> list[File]:
        readers: dict[str, set[str]] = {row["id"]: set() for row in rows}
        ids = list(readers)
        for start in range(0, len(ids), 500):
            some = ids[start : start + 500]
            sql = f"SELECT file_id, principal FROM file_readers WHERE file_id IN ({_marks(some)})"
            for row in self._db.read(sql, some):
                readers[row["file_id"]].add(row["principal"])
        return [File(**row, readers=frozenset(readers[row["id"]])) for row in rows]


def no_such_file(file_id: str) -> NotFound:
    """OpenAI's words; the same whether there is none, or another project or other readers have it."""
    return NotFound(f"No such File object: {file_id}", param="id")


def _insert(transaction: Transaction, file: File) -> None:
    transaction.execute(
        f"INSERT INTO files ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            file.id,
            file.project_id,
            file.filename,
            file.purpose,
            file.bytes,
            file.sha256,
            file.created_at,
            file.expires_at,
        ),
    )
    for principal in sorted(file.readers):
        transaction.execute("INSERT INTO file_readers (file_id, principal) VALUES (?, ?)", (file.id, principal))


def _visible(project_id: str, principals: Collection[str] | None) -> tuple[str, list[Value]]:
    """A condition on `files`, and its parameters."""
    where = f"project_id = ? AND {_LIVES}"
    parameters: list[Value] = [project_id, int(time.time())]
    if principals is None:
        return where, parameters
    restricted = "EXISTS (SELECT 1 FROM file_readers WHERE file_id = files.id)"
    admitted = "1 = 0"
    if principals:
        admitted = (
            f"EXISTS (SELECT 1 FROM file_readers WHERE file_id = files.id AND principal IN ({_marks(principals)}))"
        )
    return f"{where} AND (NOT {restricted} OR {admitted})", [*parameters, *sorted(principals)]


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" for _ in values)

"""The seam to storage, and SQLite behind it.

Objects (`keys.py`, `projects.py`) write plain SQL with `?` parameters, so that another database can stand behind the
same protocol. Calls are synchronous and short; async code runs them in a worker thread.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from owngpt.errors import ConfigError, InvalidRequest
from owngpt.store.migrations import Dialect, migrate, migration_files, schema_version

Value = str | bytes | int | float | None
Row = Mapping[str, Any]


class Transaction(Protocol):
    """Statements that happen together or not at all."""

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Run one statement; the rows that it yields, by column name."""
        ...


class Database(Protocol):
    """Rows in, rows out. Safe to call from any thread."""

    @property
    def dialect(self) -> Dialect:
        """For the few statements that are not said alike in both databases."""
        ...

    def read(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Rows of one SELECT, as of the last committed write."""
        ...

    def write(self) -> AbstractContextManager[Transaction]:
        """A transaction: durable once the block has ended, undone if it raises. One writer at a time."""
        ...

    def now(self) -> float:
        """Unix seconds, by the one clock that all servers of this database have: what one of them writes for the
        others to compare is told by it.
        """
        ...

    def close(self) -> None: ...


def database_file(data_dir: Path) -> Path:
    """Where the default database lies."""
    return data_dir / "owngpt.db"


def not_text() -> InvalidRequest:
    """For characters that JSON can carry, and no database."""
    return InvalidRequest("The request has text with half a surrogate pair or a NUL in it; leave these characters out.")


class SQLite:
    """A database in one file: write-ahead log, one writing and one reading connection.

    A commit is on disk before `write()` ends (`synchronous = FULL`). Several processes may share the file; a writer
    waits up to `busy_seconds` for another process. Raises `ConfigError` if the file cannot be opened or is newer
    than this version of owngpt.
    """

    dialect: Dialect = "sqlite"

    def __init__(self, file: Path, busy_seconds: float = 10.0) -> None:
        self._writer_lock, self._reader_lock = threading.Lock(), threading.Lock()
        try:
            _make_private(file)
            self._writer = _connect(file, busy_seconds)
            with self.write() as transaction:
                migrate(transaction)
            self._reader = _connect(file, busy_seconds)
            self._reader.execute("PRAGMA query_only = ON")
        except (OSError, sqlite3.Error, ConfigError) as error:
            raise ConfigError(f"database {file}: {error}") from error

    def read(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        with self._reader_lock:
            return _execute(self._reader, sql, parameters)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        with self._writer_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield _Statements(self._writer)
                self._writer.execute("COMMIT")
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise

    def now(self) -> float:
        return time.time()  # a file is on one machine

    def close(self) -> None:
        """Close both connections; what runs in another thread ends first."""
        with self._writer_lock, self._reader_lock:
            self._reader.close()
            self._writer.close()


class ReadOnlySQLite:
    """The same file for a process that only looks, beside a server that runs: nothing is made, migrated or locked.

    Raises `ConfigError` if there is no such file, or its schema is not of this version.
    """

    dialect: Dialect = "sqlite"

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(
                f"{file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
            version = schema_version(_Statements(self._connection))
        except (OSError, sqlite3.Error, ConfigError) as error:
            raise ConfigError(f"database {file}: {error}") from error
        if version < (newest := len(migration_files())):
            raise ConfigError(f"database {file}: schema version {version} is old ({newest} is new); start owngpt once")

    def read(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        with self._lock:
            return _execute(self._connection, sql, parameters)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Reading statements only; others raise `sqlite3.OperationalError`."""
        with self._lock:
            yield _Statements(self._connection)

    def now(self) -> float:
        return time.time()

    def close(self) -> None:
        with self._lock:
            self._connection.close()


class _Statements:
    """The statements of one SQLite transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        return _execute(self._connection, sql, parameters)


def _execute(connection: sqlite3.Connection, sql: str, parameters: Sequence[Value]) -> list[Row]:
    try:
        cursor = connection.execute(sql, parameters)
    except UnicodeEncodeError:
        raise not_text() from None
    if cursor.description is None:
        return []
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, values, strict=True)) for values in cursor]


def _make_private(file: Path) -> None:
    """Create folder and file so that only their owner can read them (SQLite gives its log files the same mode)."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))


def _connect(file: Path, busy_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection

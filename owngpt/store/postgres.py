"""PostgreSQL behind the protocol of `db.py`, by psycopg 3 (the extra `postgresql`).

The objects' SQL is the same: `?` becomes `%s` here, and the types of the shared migrations become PostgreSQL's.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

from owngpt.errors import ConfigError, ServiceUnavailable
from owngpt.store.db import Row, Transaction, Value, not_text
from owngpt.store.migrations import Dialect, migrate, migration_files, schema_version

try:
    import psycopg
    from psycopg import Connection
    from psycopg.adapt import Loader
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.pq import TransactionStatus
    from psycopg.rows import dict_row
except ImportError as error:
    raise ConfigError("PostgreSQL needs a library: pip install 'owngpt[postgresql]'") from error

_WRITE_LOCK = 0x6F776E677074  # "owngpt": the advisory lock of whoever writes
_BEGIN_ALONE = f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({_WRITE_LOCK})"  # one round trip
_WRITER = "-c synchronous_commit=on -c lock_timeout={lock_ms}"
_NOW = "SELECT EXTRACT(EPOCH FROM clock_timestamp()) AS now"
_READER = "-c default_transaction_read_only=on"
_Connection = Connection[dict[str, Any]]


class PostgreSQL:
    """A database on a server, also one that several owngpt servers share.

    One writer at a time, as in SQLite: a transaction begins by taking an advisory lock, in whatever process it is, and
    gives it back when it ends. So what a transaction has read stays true until its commit, at READ COMMITTED and with
    nothing to try again. A commit is on the server's disk before `write()` ends. Reads have up to `max_readers`
    connections of their own and wait for nobody. A writer waits up to `busy_seconds` for another one.

    A connection that has died is made anew for the next statement. Raises `ConfigError` if the server cannot be
    reached or used at the start, and `ServiceUnavailable` if it is gone later.
    """

    dialect: Dialect = "postgresql"

    def __init__(self, url: str, *, max_readers: int = 4, busy_seconds: float = 10.0) -> None:
        options = _WRITER.format(lock_ms=round(busy_seconds * 1000))
        self._writers = _Pool(url, options, size=1)
        self._readers = _Pool(url, _READER, size=max_readers)
        try:
            with _setup_errors(url), self.write() as transaction:
                _check_encoding(transaction)
                migrate(transaction, self.dialect)
        except BaseException:
            self.close()
            raise

    def read(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        return self._readers.read(sql, parameters)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        with self._writers.transaction(_BEGIN_ALONE) as connection:
            yield _Statements(connection)

    def now(self) -> float:
        return float(self.read(_NOW)[0]["now"])

    def close(self) -> None:
        """Close all connections; what runs in another thread ends first."""
        self._writers.close()
        self._readers.close()


class ReadOnlyPostgreSQL:
    """The same for a process that only looks: nothing is made, migrated or locked.

    Raises `ConfigError` if the server cannot be reached, or its schema is not of this version.
    """

    dialect: Dialect = "postgresql"

    def __init__(self, url: str) -> None:
        self._pool = _Pool(url, _READER, size=1)
        try:
            with _setup_errors(url), self.write() as transaction:
                self._check_version(url, transaction)
        except BaseException:
            self.close()
            raise

    def read(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        return self._pool.read(sql, parameters)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Reading statements only; others raise `psycopg.errors.ReadOnlySqlTransaction`."""
        with self._pool.transaction("BEGIN") as connection:
            yield _Statements(connection)

    def now(self) -> float:
        return float(self.read(_NOW)[0]["now"])

    def close(self) -> None:
        self._pool.close()

    def _check_version(self, url: str, transaction: Transaction) -> None:
        exists = transaction.execute("SELECT to_regclass('migrations') IS NOT NULL AS found")[0]["found"]
        version = schema_version(transaction) if exists else 0
        if version < (newest := len(migration_files(self.dialect))):
            raise ConfigError(f"schema version {version} is old ({newest} is new); start owngpt once")


class _Statements:
    """The statements of one transaction."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        return _execute(self._connection, sql, parameters)


class _Pool:
    """Up to `size` connections, made when they are needed and used by one thread at a time."""

    def __init__(self, url: str, options: str, size: int) -> None:
        self._url, self._options = url, options
        self._size = size
        self._free = threading.Semaphore(size)
        self._idle: list[_Connection] = []

    def read(self, sql: str, parameters: Sequence[Value]) -> list[Row]:
        """One statement that changes nothing; once more over a new connection where the old one had died."""
        for _ in range(self._size):
            with self._lent() as connection:
                try:
                    return _execute(connection, sql, parameters)
                except psycopg.OperationalError:
                    if not connection.broken:
                        raise
        with self._lent() as connection:
            return _execute(connection, sql, parameters)

    @contextmanager
    def transaction(self, begin: str) -> Iterator[_Connection]:
        """Begin, and commit when the block ends well. Only the beginning can be tried again, and is."""
        with self._free:
            connection = self._begun(begin)
            try:
                yield connection
                _commit(connection)
            except BaseException:
                _roll_back(connection)
                raise
            finally:
                self._take_back(connection)

    def _begun(self, begin: str) -> _Connection:
        """A connection in whose transaction nothing has been done; a new one where the others have died."""
        while True:
            is_new = not self._idle
            connection = self._connect() if is_new else self._idle.pop()
            try:
                connection.execute(begin.encode())
            except psycopg.Error:
                is_dead = connection.broken
                _roll_back(connection)
                self._take_back(connection)
                if is_new or not is_dead:
                    raise
            else:
                return connection

    def close(self) -> None:
        for _ in range(self._size):
            self._free.acquire()
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        for _ in range(self._size):
            self._free.release()

    @contextmanager
    def _lent(self) -> Iterator[_Connection]:
        with self._free:
            connection = self._idle.pop() if self._idle else self._connect()
            try:
                yield connection
            finally:
                self._take_back(connection)

    def _take_back(self, connection: _Connection) -> None:
        if connection.broken:
            connection.close()
        else:
            self._idle.append(connection)

    def _connect(self) -> _Connection:
        try:
            connection = psycopg.connect(
                self._url,
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=10,
                application_name="owngpt",
                options=f"{conninfo_to_dict(self._url).get('options', '')} {self._options}".strip(),
            )
        except psycopg.OperationalError as error:
            raise ServiceUnavailable("the database cannot be reached; try again in a moment") from error
        connection.adapters.register_loader("numeric", _NumberLoader)
        return connection


class _NumberLoader(Loader):
    """The sum of whole numbers is a whole number, as in SQLite."""

    def load(self, data: Any) -> int | float:
        text = bytes(data).decode()
        return int(text) if text.lstrip("-").isdigit() else float(text)


def _commit(connection: _Connection) -> None:
    """Raises `InFailedSqlTransaction` after a statement that failed: there, COMMIT would silently undo."""
    if connection.info.transaction_status == TransactionStatus.INERROR:
        raise psycopg.errors.InFailedSqlTransaction("a statement of this transaction has failed; nothing is kept")
    connection.execute("COMMIT")


def _roll_back(connection: _Connection) -> None:
    """What cannot be undone over a dead connection, the server undoes by itself."""
    if not connection.broken:
        with suppress(psycopg.Error):
            connection.execute("ROLLBACK")


def _execute(connection: _Connection, sql: str, parameters: Sequence[Value]) -> list[Row]:
    """Without parameters the text goes as it is, so that it may be several statements."""
    try:
        cursor = connection.execute(translate(sql).encode() if parameters else sql.encode(), parameters or None)
    except UnicodeEncodeError:
        raise not_text() from None
    except psycopg.DataError as error:
        if error.sqlstate is None and "NUL" in str(error):  # said by the driver; the server has seen nothing
            raise not_text() from None
        raise
    return list(cursor.fetchall()) if cursor.description is not None else []


_TOKENS = re.compile(r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \? | %""", re.VERBOSE | re.DOTALL)


@lru_cache(maxsize=1024)
def translate(sql: str) -> str:
    """`?` -> `%s`, but not in literals, quoted names and comments; `%` is doubled everywhere, as psycopg wants it."""
    return _TOKENS.sub(lambda match: "%s" if match[0] == "?" else match[0].replace("%", "%%"), sql)


def shown_url(url: str) -> str:
    """A connection URL without its secrets, for messages."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return "postgresql://..."
    place = f"{parts.get('host') or 'localhost'}:{parts.get('port') or 5432}"
    return f"postgresql://{parts.get('user', '')}@{place}/{parts.get('dbname', '')}"


@contextmanager
def _setup_errors(url: str) -> Iterator[None]:
    """What is wrong at the start is the operator's to know: which database, and what it says, without the password."""
    where = f"database {shown_url(url)}"
    try:
        conninfo_to_dict(url)
    except psycopg.Error:
        raise ConfigError(f"{where}: not a URL; it must be like postgresql://USER:PASSWORD@HOST:5432/NAME") from None
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    except ServiceUnavailable as error:
        raise ConfigError(f"{where}: {_reason(error.__cause__)}") from None
    except psycopg.Error as error:
        raise ConfigError(f"{where}: {_reason(error)}") from error


def _reason(error: BaseException | None) -> str:
    """The server's words on one line. libpq never repeats the password of a URL that it can read."""
    return " ".join(str(error).split())


def _check_encoding(transaction: Transaction) -> None:
    encoding = transaction.execute("SHOW server_encoding")[0]["server_encoding"]
    if encoding != "UTF8":
        raise ConfigError(f"its encoding is {encoding}; make one with: CREATE DATABASE ... ENCODING 'UTF8'")

"""Brings a database to the newest schema: the numbered SQL files beside this module, forward only.

`NNNN_name.sql` is for every database; `NNNN_name.sqlite.sql` and `NNNN_name.postgresql.sql` are for one, after it or
instead of it. A file that has been released is never edited; a change is a new file.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, Literal, Protocol

from owngpt.errors import ConfigError

Dialect = Literal["sqlite", "postgresql"]

_TYPES = {"INTEGER": "BIGINT", "BLOB": "BYTEA", "REAL": "DOUBLE PRECISION"}  # SQLite's -> PostgreSQL's


class _Transaction(Protocol):
    def execute(self, sql: str, parameters: Sequence[str | int] = ()) -> list[Mapping[str, Any]]: ...


def migrate(transaction: _Transaction, dialect: Dialect = "sqlite") -> None:
    """Apply what is missing. All in one transaction, so a second process that starts now waits, then finds it done.

    Raises `ConfigError` if the database is newer than the files here.
    """
    transaction.execute(
        "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER)"
    )
    current, files = schema_version(transaction), migration_files(dialect)
    for version, (name, statements) in enumerate(files[current:], start=current + 1):
        for statement in statements:
            transaction.execute(statement)
        transaction.execute(
            "INSERT INTO migrations (version, name, applied_at) VALUES (?, ?, ?)", (version, name, int(time.time()))
        )


def schema_version(transaction: _Transaction) -> int:
    """Of a database; raises `ConfigError` if it is newer than the files here."""
    current = int(transaction.execute("SELECT COALESCE(MAX(version), 0) AS version FROM migrations")[0]["version"])
    if current > (newest := len(migration_files())):
        raise ConfigError(f"schema version {current} is newer than this owngpt ({newest}); upgrade owngpt")
    return current


def migration_files(dialect: Dialect = "sqlite") -> list[tuple[str, list[str]]]:
    """Name and statements of each version, in order; the first has number 1 and none is missing."""
    folder = resources.files(__name__)
    names = sorted({entry.name for entry in folder.iterdir() if entry.name.endswith(".sql")})
    stems = sorted({name.split(".")[0] for name in names})
    assert [int(stem[:4]) for stem in stems] == list(range(1, len(stems) + 1)), f"gap in migrations: {names}"
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in names}
    return [(f"{stem}.sql", _statements(texts, stem, dialect)) for stem in stems]


def _statements(texts: Mapping[str, str], stem: str, dialect: Dialect) -> list[str]:
    """What one version means for one database. PostgreSQL takes a file of its own whole, with functions in it."""
    common, special = texts.get(f"{stem}.sql", ""), texts.get(f"{stem}.{dialect}.sql", "")
    if dialect == "sqlite":
        return [*split_statements(common), *split_statements(special)]
    return [*map(_for_postgresql, split_statements(common)), *([special] if special.strip() else [])]


def split_statements(sql: str) -> Iterator[str]:
    """The statements of a file, one by one (`executescript` would end the transaction)."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
    assert not statement.strip(), f"unfinished statement: {statement.strip()!r}"


def _for_postgresql(statement: str) -> str:
    return re.sub(r"\b(INTEGER|BLOB|REAL)\b", lambda match: _TYPES[match[1]], statement)

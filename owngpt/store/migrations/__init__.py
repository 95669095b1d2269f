"""Brings a database to the newest schema: the numbered SQL files beside this module, forward only.

A file that has been released is never edited; a change is a new file.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, Protocol

from owngpt.errors import ConfigError


class _Transaction(Protocol):
    def execute(self, sql: str, parameters: Sequence[str | int] = ()) -> list[Mapping[str, Any]]: ...


def migrate(transaction: _Transaction) -> None:
    """Apply what is missing. All in one transaction, so a second process that starts now waits, then finds it done.

    Raises `ConfigError` if the database is newer than the files here.
    """
    transaction.execute(
        "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER)"
    )
    current, files = schema_version(transaction), migration_files()
    for version, (name, sql) in enumerate(files[current:], start=current + 1):
        for statement in split_statements(sql):
            transaction.execute(statement)
        transaction.execute("INSERT INTO migrations VALUES (?, ?, ?)", (version, name, int(time.time())))


def schema_version(transaction: _Transaction) -> int:
    """Of a database; raises `ConfigError` if it is newer than the files here."""
    current = int(transaction.execute("SELECT COALESCE(MAX(version), 0) AS version FROM migrations")[0]["version"])
    if current > (newest := len(migration_files())):
        raise ConfigError(f"schema version {current} is newer than this owngpt ({newest}); upgrade owngpt")
    return current


def migration_files() -> list[tuple[str, str]]:
    """Name and text of each file, in order; the first has number 1 and none is missing."""
    folder = resources.files(__name__)
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1)), f"gap in migrations: {names}"
    return [(name, (folder / name).read_text(encoding="utf-8")) for name in names]


def split_statements(sql: str) -> Iterator[str]:
    """The statements of a file, one by one (`executescript` would end the transaction)."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
    assert not statement.strip(), f"unfinished statement: {statement.strip()!r}"

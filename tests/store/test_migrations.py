"""A database of every earlier version, with rows in it, becomes one of this version and keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest

from owngpt.store.db import Database, SQLite
from owngpt.store.migrations import Dialect, migration_files
from tests.fakes.postgresql import Server
from tests.store.migration_rows import ROWS

NEWEST = len(migration_files())


class Raw:
    """A database without a schema, of either kind."""

    def __init__(self, dialect: Dialect, folder: Path, server: Server | None) -> None:
        self.dialect, self._folder = dialect, folder
        self._url = server.new_database() if server else ""

    def run(self, statements: list[str]) -> None:
        if self.dialect == "sqlite":
            import sqlite3

            with sqlite3.connect(self._folder / "owngpt.db") as connection:
                for statement in statements:
                    connection.execute(statement)
            connection.close()
        else:
            import psycopg

            with psycopg.connect(self._url) as connection:  # type: ignore[assignment]
                for statement in statements:
                    connection.execute(statement)

    def open(self) -> Database:
        if self.dialect == "sqlite":
            return SQLite(self._folder / "owngpt.db")
        from owngpt.store.postgres import PostgreSQL

        return PostgreSQL(self._url)


@pytest.fixture(params=["sqlite", "postgresql"])
def raw(request: pytest.FixtureRequest, tmp_path: Path) -> Raw:
    server = request.getfixturevalue("postgresql_server") if request.param == "postgresql" else None
    return Raw(request.param, tmp_path, server)


def statements_of(dialect: Dialect, version: int) -> list[str]:
    """What makes a database of that version, and fills it."""
    made = ["CREATE TABLE migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT)"]
    for number, (name, statements) in enumerate(migration_files(dialect)[:version], start=1):
        made += statements
        made.append(f"INSERT INTO migrations (version, name, applied_at) VALUES ({number}, '{name}', 1)")
        for table, row in ROWS.get(number, []):
            values = ", ".join(literal(dialect, value) for value in row.values())
            made.append(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})")
    return made


def literal(dialect: Dialect, value: str | float | bytes) -> str:
    """A value as it stands in a statement."""
    if isinstance(value, bytes):
        return f"x'{value.hex()}'" if dialect == "sqlite" else f"'\\x{value.hex()}'"
    return repr(value)


def test_every_table_has_a_row_here(tmp_path: Path) -> None:
    """So that nobody adds a table whose rows a later migration could lose unseen."""
    database = SQLite(tmp_path / "owngpt.db")
    tables = {row["name"] for row in database.read("SELECT name FROM sqlite_master WHERE type = 'table'")}
    database.close()
    assert {table for rows in ROWS.values() for table, _ in rows} == tables - {"migrations"}


@pytest.mark.parametrize("version", range(NEWEST + 1))
def test_every_earlier_version_becomes_this_one_and_keeps_its_rows(raw: Raw, version: int) -> None:
    if version:
        raw.run(statements_of(raw.dialect, version))
    database = raw.open()
    names = [row["name"] for row in database.read("SELECT name FROM migrations ORDER BY version")]
    assert names == [name for name, _ in migration_files(raw.dialect)]
    for number, rows in ROWS.items():
        for table, row in rows:
            where = " AND ".join(f"{name} = ?" for name in row)
            [found] = database.read(f"SELECT COUNT(*) AS n FROM {table} WHERE {where}", list(row.values()))
            assert found["n"] == (1 if number <= version else 0), f"{table} {row}"
    database.close()
    raw.open().close()


def test_both_databases_have_the_same_tables_and_columns(raw: Raw, request: pytest.FixtureRequest) -> None:
    """But for those that a file for one of them makes."""
    if raw.dialect == "sqlite":
        pytest.skip("compared once")
    sqlite = SQLite(request.getfixturevalue("tmp_path") / "other.db")
    database = raw.open()
    listed = database.read(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    )
    here = {(row["table_name"], row["column_name"]) for row in listed}
    tables = {row["name"] for row in sqlite.read("SELECT name FROM sqlite_master WHERE type = 'table'")}
    there = {
        (table, row["name"])
        for table in tables & {table for table, _ in here}
        for row in sqlite.read("SELECT name FROM pragma_table_info(?)", (table,))
    }
    assert {(t, c) for t, c in here if t in tables} == there
    database.close()

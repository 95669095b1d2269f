"""Fixtures for every test. `database`: empty, and migrated; who uses it runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from owngpt.store.db import Database, SQLite
from tests.fakes.postgresql import Server, binaries, running_server

TEMPLATE, SHARED = "owngpt_template", "owngpt_shared"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A real server; its database `TEMPLATE` has the newest schema and no rows."""
    pytest.importorskip("psycopg", reason="the extra `postgresql` is not installed")
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    from owngpt.store.postgres import PostgreSQL

    with running_server() as server:
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        PostgreSQL(server.url(TEMPLATE)).close()
        server.execute(f"CREATE DATABASE {SHARED} TEMPLATE {TEMPLATE}")
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """One database of each kind, with the newest schema and no rows."""
    database = open_new(request, tmp_path)
    yield database
    database.close()


def open_new(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """The one that the test's parameter names."""
    if request.param == "sqlite":
        return SQLite(tmp_path / "owngpt.db")
    from owngpt.store.postgres import PostgreSQL

    server: Server = request.getfixturevalue("postgresql_server")
    database = PostgreSQL(server.url(SHARED))
    empty(database)
    return database


def empty(database: Database) -> None:
    """Delete all rows, which is a hundred times faster than to make a new database, and tables that a test has made."""
    with database.write() as transaction:
        transaction.execute("DROP TABLE IF EXISTS samples")
        transaction.execute("SET LOCAL session_replication_role = replica")  # no foreign keys for a moment
        rows = transaction.execute("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
        transaction.execute("; ".join(f"DELETE FROM {row['name']}" for row in rows if row["name"] != "migrations"))

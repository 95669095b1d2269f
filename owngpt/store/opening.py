"""Which database there is: a file in the data folder, or a PostgreSQL server where its URL is given."""

from __future__ import annotations

from pathlib import Path

from owngpt.store.db import Database, ReadOnlySQLite, SQLite, database_file


def open_database(data_dir: Path, url: str | None = None) -> Database:
    """To read and write, with the newest schema. Raises `ConfigError`."""
    if url is None:
        return SQLite(database_file(data_dir))
    from owngpt.store.postgres import PostgreSQL  # here: its library is an extra

    return PostgreSQL(url)


def shown_database(url: str) -> str:
    """A URL of `open_database` without its secrets, for messages."""
    from owngpt.store.postgres import shown_url

    return f"database {shown_url(url)}"


def look_at_database(data_dir: Path, url: str | None = None) -> Database:
    """To read only, also beside a server that runs; makes and changes nothing. Raises `ConfigError`."""
    if url is None:
        return ReadOnlySQLite(database_file(data_dir))
    from owngpt.store.postgres import ReadOnlyPostgreSQL

    return ReadOnlyPostgreSQL(url)

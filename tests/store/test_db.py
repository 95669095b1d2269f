import os
import sqlite3
import threading
from pathlib import Path

import pytest

from owngpt.errors import ConfigError
from owngpt.store.db import ReadOnlySQLite, SQLite
from owngpt.store.migrations import migration_files, split_statements


@pytest.fixture
def db(tmp_path: Path) -> SQLite:
    return SQLite(tmp_path / "data" / "owngpt.db")


def count(db: SQLite) -> int:
    return int(db.read("SELECT COUNT(*) AS n FROM organizations")[0]["n"])


def add(db: SQLite, name: str) -> None:
    with db.write() as transaction:
        transaction.execute("INSERT INTO organizations (id, name, created_at) VALUES (?, ?, 0)", (name, name))


def add_twice(db: SQLite, name: str) -> None:
    with db.write() as transaction:
        for _ in range(2):
            transaction.execute("INSERT INTO organizations (id, name, created_at) VALUES (?, ?, 0)", (name, name))


def test_a_write_is_seen_by_the_next_read_and_by_the_next_start(db: SQLite, tmp_path: Path) -> None:
    add(db, "a")
    assert db.read("SELECT id, created_at FROM organizations") == [{"id": "a", "created_at": 0}]
    db.close()
    assert count(SQLite(tmp_path / "data" / "owngpt.db")) == 1


def test_a_transaction_that_raises_leaves_nothing_behind(db: SQLite) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        add_twice(db, "a")
    assert count(db) == 0
    add(db, "b")
    assert count(db) == 1


def test_an_unfinished_write_is_not_read(db: SQLite) -> None:
    with db.write() as transaction:
        transaction.execute("INSERT INTO organizations (id, name, created_at) VALUES ('a', 'a', 0)")
        assert count(db) == 0
    assert count(db) == 1


def test_reading_never_writes(db: SQLite) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.read("DELETE FROM organizations")


def test_foreign_keys_hold(db: SQLite) -> None:
    with pytest.raises(sqlite3.IntegrityError), db.write() as transaction:
        transaction.execute(
            "INSERT INTO projects (id, organization_id, name, created_at) VALUES ('p', 'no such organization', 'p', 0)"
        )


def test_acknowledged_writes_are_synced_to_disk(db: SQLite) -> None:
    assert db.read("PRAGMA journal_mode") == [{"journal_mode": "wal"}]
    with db.write() as transaction:
        assert transaction.execute("PRAGMA synchronous") == [{"synchronous": 2}]


def test_threads_and_processes_take_turns(db: SQLite, tmp_path: Path) -> None:
    other = SQLite(tmp_path / "data" / "owngpt.db")  # as another process has it

    def work(which: SQLite, start: int) -> None:
        for i in range(start, start + 10):
            add(which, str(i))

    threads = [threading.Thread(target=work, args=((db, other)[i % 2], i * 10)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(db) == count(other) == 40


def test_only_the_owner_can_read_the_files(db: SQLite, tmp_path: Path) -> None:
    add(db, "a")
    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in (tmp_path / "data").iterdir()}
    assert modes == {"owngpt.db": 0o600, "owngpt.db-wal": 0o600, "owngpt.db-shm": 0o600}
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_migration_runs_once(db: SQLite, tmp_path: Path) -> None:
    SQLite(tmp_path / "data" / "owngpt.db")
    rows = db.read("SELECT version, name FROM migrations ORDER BY version")
    assert [row["name"] for row in rows] == [name for name, _ in migration_files()]


def test_a_database_from_the_future_is_refused(db: SQLite, tmp_path: Path) -> None:
    with db.write() as transaction:
        transaction.execute("INSERT INTO migrations VALUES (9999, '9999_wings.sql', 0)")
    with pytest.raises(ConfigError, match="schema version 9999 is newer than this owngpt"):
        SQLite(tmp_path / "data" / "owngpt.db")


def test_what_is_not_a_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "owngpt.db").write_text("a letter to my aunt, which is long enough to be looked at as a header" * 20)
    with pytest.raises(ConfigError, match=r"owngpt\.db: file is not a database"):
        SQLite(tmp_path / "owngpt.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="Permission denied"):
        SQLite(tmp_path / "data" / "owngpt.db")


def test_statements_are_split_at_their_ends() -> None:
    sql = "-- a; b\nCREATE TABLE a (x TEXT DEFAULT ';');\n\nCREATE TABLE b (\n  y TEXT\n);\n"
    assert list(split_statements(sql)) == [
        "-- a; b\nCREATE TABLE a (x TEXT DEFAULT ';');",
        "CREATE TABLE b (\n  y TEXT\n);",
    ]


def test_another_process_looks_without_a_trace(db: SQLite, tmp_path: Path) -> None:
    """What was committed a moment ago is there, although it still stands in the log."""
    file = tmp_path / "data" / "owngpt.db"
    looking = ReadOnlySQLite(file)
    add(db, "a")
    with db.write() as transaction:
        transaction.execute("INSERT INTO organizations (id, name, created_at) VALUES ('b', 'b', 0)")
        assert looking.read("SELECT name FROM organizations") == [{"name": "a"}]
    with looking.write() as transaction, pytest.raises(sqlite3.OperationalError, match="readonly"):
        transaction.execute("DELETE FROM organizations")
    looking.close()
    db.close()
    assert ReadOnlySQLite(file).read("SELECT COUNT(*) AS n FROM organizations") == [{"n": 2}]


def test_looking_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unable to open"):
        ReadOnlySQLite(tmp_path / "owngpt.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("change", "why"), [("DELETE", "start owngpt once"), ("INSERT", "upgrade owngpt")])
def test_looking_at_another_version_is_refused(db: SQLite, tmp_path: Path, change: str, why: str) -> None:
    newest = len(migration_files())
    with db.write() as transaction:
        if change == "DELETE":
            transaction.execute("DELETE FROM migrations WHERE version = ?", (newest,))
        else:
            transaction.execute("INSERT INTO migrations VALUES (?, 'future', 0)", (newest + 1,))
    with pytest.raises(ConfigError, match=why):
        ReadOnlySQLite(tmp_path / "data" / "owngpt.db")

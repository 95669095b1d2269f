"""What both databases promise, and what is SQLite's own. PostgreSQL's own is in `test_postgres.py`."""

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from owngpt.errors import ConfigError, InvalidRequest
from owngpt.store.db import Database, ReadOnlySQLite, SQLite
from owngpt.store.migrations import migration_files, split_statements

INSERT = "INSERT INTO organizations (id, name, created_at) VALUES (?, ?, 0)"


@pytest.fixture
def db(tmp_path: Path) -> SQLite:
    return SQLite(tmp_path / "data" / "owngpt.db")


def count(db: Database) -> int:
    return int(db.read("SELECT COUNT(*) AS n FROM organizations")[0]["n"])


def add(db: Database, *names: str) -> None:
    with db.write() as transaction:
        for name in names:
            transaction.execute(INSERT, (name, name))


def test_a_write_is_seen_by_the_next_read(database: Database) -> None:
    add(database, "a")
    assert database.read("SELECT id, created_at FROM organizations") == [{"id": "a", "created_at": 0}]


def test_a_transaction_that_raises_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(Exception, match=r"UNIQUE|unique"):
        add(database, "a", "a")
    assert count(database) == 0
    add(database, "b")
    assert count(database) == 1


def test_an_unfinished_write_is_not_read(database: Database) -> None:
    with database.write() as transaction:
        transaction.execute(INSERT, ("a", "a"))
        assert count(database) == 0
    assert count(database) == 1


def test_reading_never_writes(database: Database) -> None:
    with pytest.raises(Exception, match=r"readonly|read-only"):
        database.read("DELETE FROM organizations")


def test_foreign_keys_hold(database: Database) -> None:
    values = ("p", "no such organization", "p")
    with pytest.raises(Exception, match=r"FOREIGN KEY|foreign key"), database.write() as transaction:
        transaction.execute("INSERT INTO projects (id, organization_id, name, created_at) VALUES (?, ?, ?, 0)", values)


def test_values_come_back_as_they_went(database: Database) -> None:
    """Numbers of 64 bits and whole sums, floats, nothing, bytes, and text with what SQL and formats care about."""
    with database.write() as transaction:
        transaction.execute("CREATE TABLE samples (a BIGINT, b DOUBLE PRECISION, c TEXT)")
        for number in (2**62, 2**62):
            transaction.execute("INSERT INTO samples (a, b, c) VALUES (?, ?, ?)", (number, 0.1, "100% ? 'ä'\n日本"))
        [row] = transaction.execute("SELECT a, b, c FROM samples WHERE c LIKE '100% ?%' AND a = ? LIMIT 1", (2**62,))
        assert row == {"a": 2**62, "b": 0.1, "c": "100% ? 'ä'\n日本"}
        transaction.execute("UPDATE samples SET a = 3, c = ?", (None,))
        [row] = transaction.execute("SELECT SUM(a) AS total, AVG(b) AS mean, MAX(c) AS text FROM samples")
    assert row == {"total": 6, "mean": 0.1, "text": None}
    assert isinstance(row["total"], int)


@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
def test_characters_that_cannot_be_kept_are_the_callers_mistake(database: Database, text: str) -> None:
    """SQLite keeps a NUL, PostgreSQL does not; whoever asks for one finds nothing, or is told."""
    if text == "\ud800" or database.dialect == "postgresql":
        with pytest.raises(InvalidRequest, match="half a surrogate pair or a NUL"):
            database.read("SELECT * FROM organizations WHERE name = ?", (text,))
        with pytest.raises(InvalidRequest):
            add(database, text)
    add(database, "a")
    assert count(database) == 1


def test_what_a_transaction_has_read_stays_true_until_its_end(database: Database) -> None:
    """Eight threads count and add: nobody counts the same number twice."""
    seen: list[int] = []

    def work() -> None:
        for _ in range(5):
            with database.write() as transaction:
                number = int(transaction.execute("SELECT COUNT(*) AS n FROM organizations")[0]["n"])
                transaction.execute(INSERT, (str(number), str(number)))
                seen.append(number)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == list(range(40))


def test_a_migration_runs_once(database: Database) -> None:
    rows = database.read("SELECT version, name FROM migrations ORDER BY version")
    assert [row["name"] for row in rows] == [name for name, _ in migration_files()]


def test_the_next_start_finds_what_was_written(db: SQLite, tmp_path: Path) -> None:
    add(db, "a")
    db.close()
    assert count(SQLite(tmp_path / "data" / "owngpt.db")) == 1


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


def test_a_database_from_the_future_is_refused(db: SQLite, tmp_path: Path) -> None:
    with db.write() as transaction:
        transaction.execute("INSERT INTO migrations (version, name) VALUES (9999, '9999_wings.sql')")
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
        transaction.execute(INSERT, ("b", "b"))
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
            transaction.execute("INSERT INTO migrations (version, name) VALUES (?, 'future')", (newest + 1,))
    with pytest.raises(ConfigError, match=why):
        ReadOnlySQLite(tmp_path / "data" / "owngpt.db")

"""What is PostgreSQL's own; what it shares with SQLite is in `test_db.py` and all other store tests."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from owngpt.build import open_app
from owngpt.cli import main as cli
from owngpt.config import Settings
from owngpt.errors import ConfigError, ServiceUnavailable
from owngpt.service.responses.seal import content_key
from owngpt.store.migrations import migration_files
from owngpt.store.opening import look_at_database, open_database
from tests.conftest import TEMPLATE
from tests.fakes.postgresql import Server, binaries
from tests.store.test_db import INSERT, add, count

pytest.importorskip("psycopg")
from owngpt.store.postgres import PostgreSQL, shown_url, translate

pytestmark = pytest.mark.skipif(binaries() is None, reason="PostgreSQL is not installed")


@pytest.fixture
def url(postgresql_server: Server) -> str:
    return postgresql_server.new_database(TEMPLATE)


@pytest.fixture
def db(url: str) -> Iterator[PostgreSQL]:
    database = PostgreSQL(url)
    yield database
    database.close()


def test_marks_are_translated_where_they_are_marks() -> None:
    assert translate("SELECT ? FROM a WHERE b = ?") == "SELECT %s FROM a WHERE b = %s"
    assert translate("SELECT '?', 'it''s ?', \"?\" -- ?\n, ? /* ? */") == (
        "SELECT '?', 'it''s ?', \"?\" -- ?\n, %s /* ? */"
    )
    assert translate("SELECT 5 % ? WHERE a LIKE '%x'") == "SELECT 5 %% %s WHERE a LIKE '%%x'"


def test_processes_take_turns(db: PostgreSQL, url: str) -> None:
    """Two servers on one database; each count is a new one, so nobody has written in between."""
    other = PostgreSQL(url)

    def work(which: PostgreSQL) -> None:
        for _ in range(10):
            with which.write() as transaction:
                number = transaction.execute("SELECT COUNT(*) AS n FROM organizations")[0]["n"]
                transaction.execute(INSERT, (str(number), str(number)))

    threads = [threading.Thread(target=work, args=(which,)) for which in (db, other, db, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(db) == count(other) == 40
    other.close()


def test_a_writer_that_waits_too_long_says_so(db: PostgreSQL, url: str) -> None:
    import psycopg

    other = PostgreSQL(url, busy_seconds=0.1)
    with db.write(), pytest.raises(psycopg.errors.LockNotAvailable), other.write():
        raise AssertionError("two writers at once")
    add(other, "a")
    other.close()


def test_a_statement_that_failed_undoes_its_transaction_loudly(db: PostgreSQL) -> None:
    """Whoever swallows the error of a last statement must not believe that the rest was kept."""
    import psycopg

    def swallow() -> None:
        with db.write() as transaction:
            transaction.execute(INSERT, ("a", "a"))
            with contextlib.suppress(psycopg.IntegrityError):
                transaction.execute(INSERT, ("a", "a"))

    with pytest.raises(psycopg.errors.InFailedSqlTransaction, match="nothing is kept"):
        swallow()
    assert count(db) == 0
    add(db, "b")


def test_dead_connections_are_made_anew(db: PostgreSQL, postgresql_server: Server) -> None:
    """As after a restart of the server: the next read and the next write work."""
    add(db, "a")
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'owngpt'"
    for _ in range(2):
        postgresql_server.execute(kill)
        assert count(db) == 1
        postgresql_server.execute(kill)
        add(db)
    add(db, "b")
    assert count(db) == 2


def test_commits_are_durable_whatever_the_server_is_set_to(db: PostgreSQL) -> None:
    with db.write() as transaction:
        assert transaction.execute("SHOW synchronous_commit") == [{"synchronous_commit": "on"}]
        assert transaction.execute("SHOW transaction_isolation") == [{"transaction_isolation": "read committed"}]


def test_the_migrations_of_two_first_starts_do_not_meet(postgresql_server: Server) -> None:
    url = postgresql_server.new_database()
    opened: list[PostgreSQL] = []
    threads = [threading.Thread(target=lambda: opened.append(PostgreSQL(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    assert opened[0].read("SELECT COUNT(*) AS n FROM migrations") == [{"n": len(migration_files())}]
    for database in opened:
        database.close()


def test_another_process_looks_without_a_trace(db: PostgreSQL, url: str, tmp_path: Path) -> None:
    looking = look_at_database(tmp_path, url)
    add(db, "a")
    assert count(looking) == 1
    with pytest.raises(Exception, match="read-only"), looking.write() as transaction:
        transaction.execute("DELETE FROM organizations")
    looking.close()
    assert list(tmp_path.iterdir()) == []


def test_looking_at_an_empty_database_is_refused(postgresql_server: Server, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="schema version 0 is old"):
        look_at_database(tmp_path, postgresql_server.new_database())


def test_a_database_from_the_future_is_refused(db: PostgreSQL, url: str) -> None:
    with db.write() as transaction:
        transaction.execute("INSERT INTO migrations (version, name) VALUES (9999, '9999_wings.sql')")
    with pytest.raises(ConfigError, match="schema version 9999 is newer than this owngpt"):
        PostgreSQL(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://me:secret@127.0.0.1:1/db", "127.0.0.1:1/db: connection failed"),
        ("postgresql://me:secret@/db?host=/nowhere", "Is the server running locally"),
        ("postgresql://me:secret@host:port:5/x y", "not a URL"),
    ],
)
def test_what_cannot_be_reached_is_said_without_the_password(tmp_path: Path, url: str, why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        open_database(tmp_path, url)
    assert why in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_wrong_password_is_not_printed(postgresql_server: Server, url: str) -> None:
    with pytest.raises(ConfigError, match='role "nobody" does not exist') as refused:
        PostgreSQL(url.replace("postgres@", "nobody:secret@"))
    assert "secret" not in str(refused.value)
    assert "secret" not in shown_url("postgresql://a:secret@b/c")


def test_the_command_line_and_the_settings_choose_it(url: str, tmp_path: Path) -> None:
    made = CliRunner().invoke(cli, ["keys", "create", "--data-dir", str(tmp_path), "--database", url])
    assert made.exit_code == 0, made.output
    app, new_key = open_app(Settings.load(env={"OWNGPT_DATABASE": url, "OWNGPT_DATA_DIR": str(tmp_path)}))
    assert new_key is None
    assert app.database.dialect == "postgresql"
    assert app.keys.find(made.stdout.split()[0]) is not None
    assert not (tmp_path / "owngpt.db").exists()
    app.close()


def test_another_encoding_is_refused(postgresql_server: Server) -> None:
    postgresql_server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(ConfigError, match="its encoding is LATIN1"):
        PostgreSQL(postgresql_server.url("latin"))


def test_a_server_that_is_gone_is_a_503(db: PostgreSQL, url: str, postgresql_server: Server) -> None:
    name = url.split("/")[3].split("?")[0]
    db.close()
    postgresql_server.execute(f"DROP DATABASE {name}")
    with pytest.raises(ServiceUnavailable, match="the database cannot be reached"):
        count(db)
    with pytest.raises(ServiceUnavailable), db.write():
        raise AssertionError("there is nothing to write to")


def test_servers_that_share_it_have_the_same_content_key(url: str, tmp_path: Path) -> None:
    """What one of them seals, the other has to open; so a server with a key of its own does not start."""
    one, other = (Settings(data_dir=tmp_path / name, database=url) for name in ("one", "other"))
    open_app(one).app.close()
    with pytest.raises(ConfigError, match=r"other/content.key is not the content.key that other servers of") as caught:
        open_app(other)
    assert "Copy content.key from the data folder of one of them" in str(caught.value)
    (other.data_dir / "content.key").write_bytes((one.data_dir / "content.key").read_bytes())
    content_key.cache_clear()  # as a new process
    open_app(other).app.close()


def test_its_clock_is_the_servers_own(db: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose clock is wrong still compares what others have written by the clock that they wrote it by."""
    before = time.time()
    monkeypatch.setattr(time, "time", lambda: before + 3600)
    assert abs(db.now() - before) < 60

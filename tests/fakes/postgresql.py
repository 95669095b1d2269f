"""A real PostgreSQL server for tests: its own folder, a Unix socket, nothing synced to disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_numbers = count()


def binaries() -> Path | None:
    """Where initdb and postgres are; None where they are not installed."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").exists()), None)


class Server:
    """A running server. Its databases are copies of one that has been migrated."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, database: str = "postgres") -> str:
        """Of a database, over the socket; whoever may enter the folder is trusted."""
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def execute(self, sql: str) -> None:
        """One statement outside any transaction."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.encode())

    def new_database(self, template: str = "template1") -> str:
        """An empty one, or a copy of `template`; -> its URL."""
        name = f"test{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


@contextmanager
def running_server() -> Iterator[Server]:
    """Start one, stop it. PostgreSQL refuses to be root, so root starts it as `postgres`."""
    place = binaries()
    assert place is not None
    folder = Path(tempfile.mkdtemp(prefix="owngpt-pg-"))
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    data = str(folder / "data")
    initdb = [str(place / "initdb"), *["-N", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D"], data]
    subprocess.run(initdb, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    settings = [f"-k{folder}", "-F", "-clisten_addresses=", "-cshared_buffers=32MB", "-clogging_collector=off"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [place / "postgres", "-D", data, *settings], user=user, cwd=folder, stdout=log, stderr=log
        )
    try:
        yield _ready(Server(folder), server, folder / "log")
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _ready(server: Server, process: subprocess.Popen[bytes], log: Path) -> Server:
    import psycopg

    for _ in range(200):
        assert process.poll() is None, log.read_text()
        try:
            server.execute("SELECT 1")
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return server
    raise AssertionError(log.read_text())

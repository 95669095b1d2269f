"""A server with a scripted engine in a process of its own, to be killed at any moment and started again.

with Killable(folder) as server:      # fork of a process that has everything imported: it starts in a moment
    httpx.get(f"{server.base_url}/models", headers=...)
    server.kill()
    server.start()                    # on the same data
"""

from __future__ import annotations

import asyncio
import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

import httpx

from owngpt.server.asgi import create_app
from owngpt.server.listen import Server, base_url, bind
from owngpt.service.responses import background
from owngpt.store import ingest_queue
from owngpt.store.opening import open_database
from tests.fakes.engine import Script, make_app

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.fakes.killable"])


class Killable:
    """The server on the data of `folder`; `script` is a function at the top of a module, or a text."""

    def __init__(self, folder: Path, script: Script = "Hello!", database: str | None = None) -> None:
        self._arguments = (folder, script, database)
        self.base_url = ""
        self.start()

    def __enter__(self) -> Killable:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        """Return when it answers."""
        ours, theirs = _context.Pipe()
        self._process = _context.Process(target=_serve, args=(theirs, *self._arguments), daemon=True)
        self._process.start()
        theirs.close()
        self.base_url = ours.recv()
        httpx.get(self.base_url.replace("/v1", "/health"), timeout=20).raise_for_status()

    def kill(self) -> None:
        """As the system does it: no handler runs, nothing is closed."""
        self._process.kill()
        self._process.join()

    def stop(self) -> None:
        """In order."""
        self._process.terminate()
        self._process.join()
        assert self._process.exitcode == 0, self._process.exitcode


def _serve(ready: Connection, folder: Path, script: Script, database: str | None) -> None:
    asyncio.run(_run(ready, folder, script, database))


async def _run(ready: Connection, folder: Path, script: Script, database: str | None) -> None:
    ingest_queue.LEASE_SECONDS, background.LOST_SECONDS = 4, 4  # the dead are missed sooner
    app = make_app(script, database=open_database(folder, database), folder=folder, delay=0.0005)
    with bind("127.0.0.1", 0) as listener:
        server = Server(create_app(app), app.drain, drain_seconds=5)
        app.wake()
        ready.send(base_url("127.0.0.1", listener))
        await server.serve(sockets=[listener])
    app.close()

"""`owngpt serve`: bind, open, load, say that it is ready, and stop in order.

What other programs read stands on stdout: on the very first start the admin key, and one line when requests are
answered. Everything else goes to stderr.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click

from owngpt.cli import heap, progress
from owngpt.cli.options import config_option, data_dir_option, database_option, model_options, parse_aliases
from owngpt.config import Settings


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--host", help="Address to listen on; 0.0.0.0 is all of them.  [default: 127.0.0.1]")
@click.option("--port", metavar="N", help="Port to listen on; 0 is any free one.  [default: 8000]")
@data_dir_option
@database_option
@model_options
@click.option("--kv-cache-dir", metavar="DIR", help="Keep computed prefixes in this folder across restarts.")
@click.option("--kv-cache-size", metavar="SIZE", help="How much of it.  [default: 4GiB]")
@click.option("--speculation", help="Guess tokens ahead: auto (where it pays), on or off.  [default: auto]")
@click.option("--draft-model", metavar="MODEL", help="A smaller model with the same tokenizer that guesses, too.")
@click.option("--alias", "alias", multiple=True, metavar="NAME=MODEL", help="Serve MODEL under NAME, too; repeatable.")
@config_option
@click.option("--log-level", help="debug, info, warning or error.  [default: info]")
def serve(
    models: tuple[str, ...],
    host: str | None,
    port: str | None,
    data_dir: str | None,
    database: str | None,
    alias: tuple[str, ...],
    config_file: Path | None,
    log_level: str | None,
    **engine: str | None,
) -> None:
    """Serve each MODEL behind the OpenAI API: a folder, a GGUF file or ORG/NAME[@REVISION]; without any, the two
    bundled ones.

    On the very first start an admin key is made and printed, or taken from OWNGPT_API_KEY. When requests are
    answered, one line says so: `owngpt ready http://HOST:PORT/v1`. SIGTERM lets running answers end.
    """
    given = {
        "models": models or None,
        "host": host,
        "port": port,
        "data_dir": data_dir,
        "database": database,
        "aliases": parse_aliases(alias),
        "log_level": log_level,
        **engine,
    }
    settings = Settings.load(config_file, overrides=given)
    heap.bound()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("owngpt").setLevel(settings.log_level.upper())
    import uvloop

    from owngpt.server.listen import bind

    with (
        bind(settings.server.host, settings.server.port) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(run(settings, listener))
    leave()


def leave() -> NoReturn:
    """End the process now: a thread that compiles a hostile grammar cannot be interrupted, and nothing waits for it."""
    sys.stdout.flush()
    logging.shutdown()
    os._exit(0)


async def run(settings: Settings, listener: socket.socket) -> None:
    """From here to the end of the server. Raises `SetupError`s."""
    from owngpt.build import load, open_app
    from owngpt.server.asgi import create_app
    from owngpt.server.listen import Server, base_url
    from owngpt.service.background import Repeated

    app, new_key = open_app(settings)
    app.background.append(Repeated(heap.trim, heap.SECONDS))
    try:
        if new_key is not None:
            click.echo(f"Your admin key, shown only now: {new_key}")
        server = Server(create_app(app), app.drain, settings.server.drain_seconds, settings.server.max_body_bytes)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        with progress.shown() as report:
            loading = in_thread(lambda: load(app, report))
            await asyncio.wait((serving, loading), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
            os._exit(0)  # stopped while loading: that thread cannot be interrupted, and nothing else runs yet
        server.should_exit = loading.exception() is not None
        if not server.should_exit:
            app.wake()
            click.echo(f"owngpt ready {base_url(settings.server.host, listener)}")
        await serving
        loading.result()
    finally:
        app.close()


def in_thread(work: Callable[[], None]) -> asyncio.Future[None]:
    """Run `work` in a thread that does not keep the process alive."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def finish(error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def body() -> None:
        try:
            work()
        except BaseException as error:
            loop.call_soon_threadsafe(finish, error)
        else:
            loop.call_soon_threadsafe(finish, None)

    threading.Thread(target=body, name="owngpt-load", daemon=True).start()
    return future

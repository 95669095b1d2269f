"""What the tests with real clients share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from owngpt.service.app import App
from tests.clients import npm
from tests.clients.scripted import WORLD, scripted_app
from tests.clients.serving import Running, Serve, running, tiny_app, tiny_checkpoint


@pytest.fixture(scope="session")
def serve() -> Iterator[Serve]:
    """Start a server for an App; all of them stop at the end of the session, at the same time."""
    started: list[Running] = []
    with ExitStack() as servers:

        def start(app: App) -> Running:
            started.append(servers.enter_context(running(app)))
            return started[-1]

        yield start
        for one in started:
            if one.server is not None:
                one.server.should_exit = True


@pytest.fixture(scope="session")
def scripted(serve: Serve) -> Running:
    """A server whose model says what `WORLD` has for it."""
    return serve(scripted_app(*WORLD, otherwise="Hello 日本! 👋🏽"))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model `tiny`."""
    return tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny(serve: Serve, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with a real engine and the random model `tiny`. When all clients have left, nothing is held."""
    server = serve(tiny_app(checkpoint, tmp_path_factory.mktemp("data")))
    yield server
    stats = server.app.models.generator("tiny").engine.stats()
    assert (stats.num_running, stats.num_waiting) == (0, 0)
    assert stats.num_free_blocks == stats.num_blocks


@pytest.fixture(scope="session")
def npm_clients(pytestconfig: pytest.Config) -> None:
    """The packages of `node/package.json`, in `node/node_modules`."""
    if reason := npm.what_is_missing():
        pytest.skip(reason)
    if not npm.is_installed():
        capture = pytestconfig.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print("\nnpm installs the clients of tests/clients/node/package.json ...", flush=True)
        npm.install()

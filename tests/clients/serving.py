"""Servers that real clients talk to: uvicorn as `owngpt serve` runs it, over loopback, in a thread of the tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from owngpt.build import load, open_app
from owngpt.config import EngineConfig, Settings
from owngpt.server.asgi import create_app
from owngpt.server.listen import Server, base_url, bind
from owngpt.service.app import App
from tests.fakes.engine import CHATML, KEY
from tests.fakes.model import VOCAB_SIZE, edit_config, family_checkpoint
from tests.fakes.text import QWEN_MARKS, QWEN_SPECIAL, byte_tokenizer


class BackgroundServer(Server):
    """Signals belong to the main thread, which runs the tests."""

    def capture_signals(self) -> AbstractContextManager[None]:
        return nullcontext()


@dataclass(frozen=True)
class Running:
    """A server that listens: `url` ends in /v1."""

    app: App
    url: str
    key: str = KEY
    server: BackgroundServer | None = None  # where its end can be asked for


Serve = Callable[[App], Running]


@contextmanager
def running(app: App) -> Iterator[Running]:
    """Serve an App until the context is left, then close it."""
    listener = bind("127.0.0.1", 0)
    server = BackgroundServer(create_app(app), app.drain, drain_seconds=5)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="owngpt-test-server")
    thread.start()
    while not server.started and thread.is_alive():
        sleep(0.005)
    try:
        yield Running(app, base_url("127.0.0.1", listener), server=server)
    finally:
        server.should_exit = True
        thread.join()
        app.close()


def tiny_checkpoint(folder: Path, family: str = "qwen3") -> Path:
    """Random weights with a byte-level tokenizer: it says nothing sensible, and else is a model like any other."""
    num_known = 256 + len(QWEN_SPECIAL) + len(QWEN_MARKS)
    marks = (*QWEN_MARKS, *(f"<extra{i}>" for i in range(VOCAB_SIZE - num_known)))  # each logit stands for a token
    byte_tokenizer(family_checkpoint(family, folder), marks=marks, chat_template=CHATML)
    edit_config(folder, max_position_embeddings=4096)  # room for tools, a token a byte
    return folder


def tiny_app(folder: Path, data_dir: Path) -> App:
    """What `owngpt serve FOLDER` builds."""
    engine = EngineConfig(kv_memory=8 * 1024**2, threads=1)
    app = open_app(Settings(models=(str(folder),), data_dir=data_dir, api_key=KEY, engine=engine)).app
    load(app)
    return app

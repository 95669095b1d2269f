"""Servers that are started for a benchmark: ours by its command line, and llama.cpp's."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

KEY = "sk-own-benchmark-0123456789abcdef"
READY = re.compile(r"owngpt ready (\S+)/v1\n")
SLOTS, SLOT_TOKENS = 16, 1024
PATIENCE = 300.0  # seconds until a server is ready


class Address(NamedTuple):
    """Where a server answers, and which model."""

    name: str
    url: str
    model: str


@contextmanager
def ours(folder: Path, data_dir: Path, dtype: str, threads: int) -> Iterator[Address]:
    """`owngpt serve`, with its defaults but for the number format."""
    options: list[str | Path] = [folder, "--data-dir", data_dir, "--dtype", dtype, "--threads", str(threads)]
    with serving(options) as (_, url):
        yield Address(f"owngpt {dtype}", url, folder.name)


@contextmanager
def serving(options: Sequence[str | Path], **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`owngpt serve` with these options on a free port, whose admin key is `KEY`; -> the process, and its URL."""
    command: list[str | Path] = [sys.executable, "-m", "owngpt", "serve", "--port", "0", *options]
    env = {**os.environ, "OWNGPT_API_KEY": KEY, **environment}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stdout is not None
            url = next((found[1] for line in process.stdout if (found := READY.fullmatch(line))), None)
            assert url is not None, "owngpt serve has ended; see above"
            yield process, url
        finally:
            process.terminate()


@contextmanager
def llama_cpp(program: Path, file: Path, threads: int) -> Iterator[Address]:
    """`llama-server` with continuous batching, flash attention and a slot for each client."""
    port = _free_port()
    command: list[str | Path] = [program, "--model", file, "--port", str(port), "--alias", file.stem, "--api-key", KEY]
    options = ["--threads", str(threads), "--parallel", str(SLOTS), "--ctx-size", str(SLOTS * SLOT_TOKENS)]
    features = ["--flash-attn", "on", "--offline"]
    silent = subprocess.DEVNULL
    with subprocess.Popen([*command, *options, *features], stdout=silent, stderr=silent) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(process, f"{url}/health")
            yield Address(f"llama.cpp {file.stem}", url, file.stem)
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer")

"""A server process to be mistreated: `owngpt serve` of tiny models, and what can be seen of it from outside."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

KEY = "sk-own-hostile-0123456789abcdef"
READY = re.compile(r"owngpt ready http://127\.0\.0\.1:(\d+)/v1\n")
HEADERS = {"authorization": f"Bearer {KEY}"}


@dataclass(frozen=True)
class Process:
    """A running server."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def rss(self) -> int:
        """Bytes of memory that it holds now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=HEADERS, timeout=60)

    def async_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers=HEADERS, timeout=60)

    def gauge(self, name: str, model: str = "tiny") -> float:
        """The sum of a metric's values for one model."""
        with self.client() as client:
            lines = client.get("/metrics").text.splitlines()
        found = [line for line in lines if line.startswith(f"{name}{{") and f'model="{model}"' in line]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)


@contextmanager
def serving(models: Sequence[Path], data_dir: Path, *arguments: str) -> Iterator[Process]:
    """`owngpt serve` in a process of its own; ends with the context."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OWNGPT_")}
    env = {**inherited, "OMP_NUM_THREADS": "1", "OWNGPT_API_KEY": KEY}
    command = [sys.executable, "-m", "owngpt", "serve", *map(str, models), "--port", "0", "--threads", "1"]
    command += ["--data-dir", str(data_dir), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    try:
        assert process.stdout is not None
        ready = next((found for line in process.stdout if (found := READY.fullmatch(line))), None)
        assert ready is not None, f"it ended with {process.wait()}"
        yield Process(process.pid, int(ready[1]))
    finally:
        process.kill()
        process.communicate()

"""An engine in a process of its own that lives as long as the benchmark, and rests while others have their turn."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
QUIET = 0.05  # seconds without any work after which an engine is at rest
PATIENCE = 10.0  # seconds; threads that still spin after so long would spoil the turns of the others


class Contestant:
    """`name` and `format` as the report calls them; `bits` of a weight, the head's aside.

    A process whose threads spin while it waits is an error: on few cores it would slow down everybody else.
    """

    def __init__(
        self, name: str, format: str, bits: int, command: Sequence[str | Path], env: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.format, self.bits = name, format, bits
        self._process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
        )
        self.about: str = self._answer()
        self._rest()
        self._rested_at, self._cpu_at_rest = time.perf_counter(), self._cpu_seconds()
        self._resting_seconds = self._resting_cpu = 0.0

    def turn(self, **what: Any) -> list[float]:
        """Let it do something; the seconds that it took. Raises RuntimeError if the process ends or does not rest."""
        self._resting_cpu += self._cpu_seconds() - self._cpu_at_rest
        self._resting_seconds += time.perf_counter() - self._rested_at
        assert self._process.stdin is not None
        print(json.dumps(what), file=self._process.stdin, flush=True)
        seconds: list[float] = self._answer()
        self._rest()
        self._rested_at, self._cpu_at_rest = time.perf_counter(), self._cpu_seconds()
        return seconds

    @property
    def resting_load(self) -> float:
        """Of one core, between its turns."""
        return self._resting_cpu / self._resting_seconds if self._resting_seconds else 0.0

    def close(self) -> None:
        """End the process."""
        with self._process:  # closes both pipes, which ends it, and waits
            pass

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError(f"{self.name} {self.format} has ended with status {self._process.returncode}; see above")
        return json.loads(line)

    def _rest(self) -> None:
        deadline = time.perf_counter() + PATIENCE
        while time.perf_counter() < deadline:
            before = self._cpu_seconds()
            time.sleep(QUIET)
            if self._cpu_seconds() - before < 0.01 * QUIET:
                return
        raise RuntimeError(f"{self.name} {self.format} does not rest: its threads spin while it waits")

    def _cpu_seconds(self) -> float:
        """Of all its threads, to the nanosecond."""
        total = 0
        for task in Path(f"/proc/{self._process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

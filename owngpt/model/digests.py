"""Digests: what files hold, as SHA-256, worked out once and remembered for as long as a file is not touched.

A file counts as untouched while its size, inode and both times are what they were. Nobody can set the time of change
(ctime), so an edit is seen even where size and modification time have been put back.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from owngpt.errors import CheckpointError

_RECENT_NS = 2_000_000_000  # clocks of file systems are coarse: a change so soon after another may bear the same time


class Stamp(NamedTuple):
    """What changes when a file does. Times are in nanoseconds."""

    size: int
    inode: int
    modified: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        status = path.stat()
        return cls(status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)

    @property
    def is_settled(self) -> bool:
        return max(self.modified, self.changed) < time.time_ns() - _RECENT_NS


class Digests:
    """SHA-256 of files, as `sha256sum` prints it. Safe to use from any thread.

    `memory` is a JSON file, which several processes may share; None remembers nothing. If it cannot be read or
    written, files are read again, and nothing is worse than slow.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = memory
        self._lock = threading.Lock()

    def of(self, paths: Iterable[Path]) -> list[str]:
        """One for each file, in order, read by as many threads. `CheckpointError` for one that cannot be read."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(self._of, paths))

    def _of(self, path: Path) -> str:
        try:
            real = path.resolve(strict=True)
            stamp = Stamp.of(real)
            known = self._recall().get(str(real))
            if known is not None and known[:-1] == list(stamp):
                return str(known[-1])
            with real.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if Stamp.of(real) != stamp:
                raise CheckpointError(f"{path} is being written; start again when that has ended")
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error}") from error
        if stamp.is_settled:
            self._remember(str(real), [*stamp, digest])
        return digest

    def _recall(self) -> dict[str, list[int | str]]:
        try:
            known = json.loads(self._memory.read_bytes()) if self._memory is not None else {}
        except (OSError, ValueError):
            return {}
        entries = known.items() if isinstance(known, dict) else ()
        return {path: entry for path, entry in entries if isinstance(entry, list) and len(entry) == 5}

    def _remember(self, path: str, entry: list[int | str]) -> None:
        """Written beside and moved into place, so that no reader ever meets half a file."""
        if self._memory is None:
            return
        with self._lock:
            known = {path_: old for path_, old in self._recall().items() if os.path.exists(path_)}
            beside = self._memory.with_name(f"{self._memory.name}.{os.getpid()}")
            try:
                self._memory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                beside.write_text(json.dumps({**known, path: entry}), encoding="utf-8")
                beside.replace(self._memory)
            except OSError:
                with suppress(OSError):
                    beside.unlink()


def combined(digests: Iterable[str]) -> str:
    """One digest of several, whatever their order: shards may be named in any way."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()

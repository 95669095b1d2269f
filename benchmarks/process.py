"""What a server takes of its machine, as the system counts it: all of its processes together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """One look. Memory is what belongs to the processes alone: anonymous, in bytes."""

    seconds: float  # since the load began
    memory: int
    files: int
    threads: int
    database: int  # bytes
    log: int  # bytes of its write-ahead log


def sample(pid: int, data_dir: Path, seconds: float) -> Sample:
    """Of the process and all that it has started; one that ends meanwhile counts for nothing."""
    memory = files = threads = 0
    for process in _family(pid):
        with suppress(OSError):
            memory += _anonymous(process)
            files += len(os.listdir(f"/proc/{process}/fd"))
            threads += len(os.listdir(f"/proc/{process}/task"))
    database = data_dir / "owngpt.db"
    return Sample(seconds, memory, files, threads, _size(database), _size(Path(f"{database}-wal")))


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{thread}/children").read_text().split():
                yield from _family(int(child))


def _anonymous(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0

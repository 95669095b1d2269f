"""The repository around a file: where it begins, which files it has, and which of them were changed last.

By git, where there is one; else the folders beside the file.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_GIT_SECONDS = 5.0
_RECENT_COMMITS = 20
_MOST_FILES = 20_000
_GENERATED = frozenset({"node_modules", "__pycache__", "venv", "dist", "build", "target"})


@dataclass(frozen=True, slots=True)
class Repository:
    """`files` are paths from `root` on, with slashes; `recent` are those that were changed last, newest first."""

    root: Path
    files: tuple[str, ...] = ()
    recent: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        return self.root.name or "repository"


def around(file: Path) -> Repository:
    """The repository of a file (an absolute path), or its folder where there is none."""
    folder = file.parent
    top = _git(folder, "rev-parse", "--show-toplevel")
    if not top:
        return Repository(folder, tuple(_walked(folder)))
    root = Path(top[0])
    files = _git(root, "ls-files", "--cached", "--others", "--exclude-standard")
    changed = [line[3:].rpartition(" -> ")[2].strip('"') for line in _git(root, "status", "--porcelain")]
    logged = _git(root, "log", f"-{_RECENT_COMMITS}", "--name-only", "--format=")
    recent = dict.fromkeys(name for name in (*changed, *logged) if name)
    return Repository(root, tuple(files[:_MOST_FILES]), tuple(recent))


def _git(folder: Path, *arguments: str) -> list[str]:
    """The lines that git prints; none where it fails, or is not installed."""
    command = ("git", "-c", "core.quotepath=off", "-C", str(folder), *arguments)
    try:
        done = subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.decode(errors="replace").splitlines() if done.returncode == 0 else []


def _walked(root: Path) -> Iterator[str]:
    """Files below a folder, but hidden and generated ones; only so many."""
    num_left = _MOST_FILES
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _GENERATED]
        for name in names[:num_left]:
            yield (Path(folder) / name).relative_to(root).as_posix()
        num_left -= len(names)
        if num_left <= 0:
            return

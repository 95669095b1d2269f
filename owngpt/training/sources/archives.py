"""Reads the archives that sources come in: gzipped lines, and members of gzipped tar files."""

from __future__ import annotations

import gzip
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Member(NamedTuple):
    """One file of an archive."""

    path: str
    data: bytes

    @property
    def text(self) -> str:
        """The content as UTF-8; bytes that are not become U+FFFD."""
        return self.data.decode("utf-8", errors="replace")


def text_of(path: Path) -> str:
    """The whole text of a gzipped UTF-8 file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read()


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a gzipped UTF-8 file, without their ends."""
    return iter(text_of(path).splitlines())


def members_of(path: Path, pattern: str) -> Iterator[Member]:
    """The files of a tar archive whose path matches `pattern` (a regex, searched), in the archive's order."""
    with tarfile.open(path) as archive:
        for info in archive:
            if info.isfile() and re.search(pattern, info.name):
                file = archive.extractfile(info)
                assert file is not None, "a regular member has content"
                yield Member(info.name, file.read())

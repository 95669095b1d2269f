"""What items are made of: the data folder's archives, a corpus that `owngpt train corpus` wrote, this machine's Python.

Only groups that are held out from training by `text/held_out.py` are read.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sysconfig
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from owngpt.errors import ConfigError
from owngpt.text.held_out import is_held_out_of

_NO_LIBRARY = frozenset(
    ("site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "pydoc_data", "encodings", "turtledemo")
)


def _library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


@dataclass(frozen=True, slots=True)
class Materials:
    """Folders; what a task needs and is not there makes a `ConfigError` that names it."""

    data: Path | None = None
    corpus: Path | None = None
    library: Path = field(default_factory=_library)

    def has(self, needs: str) -> bool:
        """Whether what a task needs is at hand."""
        return needs == "nothing" or getattr(self, needs) is not None

    def json_lines(self, file: str) -> Iterator[Any]:
        """The objects of a .jsonl.gz file of the data folder."""
        yield from _objects(self._text(file))

    def json(self, file: str) -> Any:
        """The one object of a .json.gz file."""
        return json.loads(self._text(file))

    def table(self, file: str, delimiter: str = ",", *, is_quoted: bool = True) -> Iterator[dict[str, str]]:
        """The rows of a .csv.gz or .tsv.gz file with a line of column names; `is_quoted`: fields may be."""
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE
        yield from csv.DictReader(io.StringIO(self._text(file)), delimiter=delimiter, quoting=quoting)

    def lines(self, file: str) -> Iterator[list[str]]:
        """The lines of a .tsv.gz file without column names, cut at tabs."""
        yield from (line.split("\t") for line in self._text(file).split("\n") if line)

    def members(self, file: str, ending: str) -> Iterator[tuple[str, str]]:
        """(path, text) of the files in a .tar.gz archive that end so, by path."""
        with tarfile.open(self._path(file)) as archive:
            names = sorted(name for name in archive.getnames() if name.endswith(ending))
            for name in names:
                member = archive.extractfile(name)
                assert member is not None, f"{name} is no file"
                yield name, member.read().decode("utf-8")

    def held_out(self, kind: str) -> Iterator[dict[str, Any]]:
        """The corpus's held-out documents of a kind, as `training/documents.py` writes them, source by source."""
        assert self.corpus is not None, "the caller has asked `has`"
        try:
            manifest = json.loads((self.corpus / "manifest.json").read_text(encoding="utf-8"))
            names = [source["name"] for source in manifest["sources"] if source["kind"] == kind]
            for name in names:
                text = (self.corpus / f"{name}.held_out.jsonl").read_text(encoding="utf-8")
                yield from _objects(text)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"corpus {self.corpus} cannot be read: {error!r}; make it with `owngpt train corpus`"
            ) from error

    def library_files(self) -> Sequence[tuple[str, str]]:
        """(path, source) of the held-out files of the standard library, by path."""
        return _held_out_files(self.library)

    def _text(self, file: str) -> str:
        return gzip.decompress(self._path(file).read_bytes()).decode("utf-8")

    def _path(self, file: str) -> Path:
        assert self.data is not None, "the caller has asked `has`"
        path = self.data / file
        if not path.is_file():
            raise ConfigError(f"{path} is missing; point --data at the data folder, or leave its task out")
        return path


def _objects(text: str) -> Iterator[Any]:
    """Of JSON lines, in which U+2028 and the like end no line."""
    yield from (json.loads(line) for line in text.split("\n") if line)


@lru_cache(maxsize=2)
def _held_out_files(library: Path) -> Sequence[tuple[str, str]]:
    found = [(path.relative_to(library).as_posix(), path) for path in _python_files(library)]
    return [
        (name, path.read_text(encoding="utf-8", errors="ignore"))
        for name, path in sorted(found)
        if is_held_out_of("python", name)
    ]


def _python_files(folder: Path) -> Iterator[Path]:
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _NO_LIBRARY]
        yield from (Path(path, name) for name in files if name.endswith(".py"))

"""Python packages that are installed beside this one, where their metadata names a permissive licence.

Left out: tests, what is vendored from elsewhere, what a program wrote, tables of data, and this package itself.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path
from random import Random
from typing import NamedTuple

from owngpt.training.documents import Document
from owngpt.training.quality import is_generated, is_permissive
from owngpt.training.sources.python import code_pieces

MAX_PACKAGE_CHARACTERS = 700_000  # so that the large ones leave room for the others' ways to write
FILE_CHARACTERS = range(400, 60_000)
_SKIPPED = """
test tests testing _tests conftest mock benchmarks stubs
_vendor vendor vendored _vendored extern externals third_party _bundled _distutils
lang corpus data datasets locale locales
"""
SKIPPED_PARTS = frozenset(_SKIPPED.split())  # of a path
SKIPPED_ENDINGS = ("_pb2.py", "_pb2_grpc.py", "conftest.py", "_version.py", "_data.py", "unicodedata.py")


class Package(NamedTuple):
    """What was read of one installed package."""

    name: str
    version: str
    licence: str
    files: Sequence[tuple[str, str]]  # (path in the site folder, source)

    @property
    def num_characters(self) -> int:
        return sum(len(source) for _, source in self.files)


def site_folder() -> Path:
    """Where this machine's Python keeps installed packages."""
    return Path(sysconfig.get_path("purelib"))


def licence_of(distribution: Distribution) -> str:
    """As the metadata names it: an SPDX expression, else what classifiers and the short text say; "" if nothing."""
    metadata = distribution.metadata
    named = [line.split("::")[-1].strip() for line in _fields(metadata, "Classifier") if line.startswith("License")]
    text = "".join(_fields(metadata, "License")).strip().splitlines()
    return "".join(_fields(metadata, "License-Expression")) or " / ".join(named) or (text[0][:60] if text else "")


def _fields(metadata: PackageMetadata, name: str) -> Sequence[str]:
    return metadata.get_all(name) or ()


@cache
def packages(site: Path) -> tuple[Package, ...]:
    """The permissive packages of a folder, by name, each with its files up to `MAX_PACKAGE_CHARACTERS`."""
    found = {d.metadata["Name"].lower(): d for d in distributions(path=[str(site)]) if d.metadata["Name"]}
    read = (_package(name, found[name], site) for name in sorted(found) if name != "owngpt")
    return tuple(package for package in read if package is not None and package.files)


def _package(name: str, distribution: Distribution, site: Path) -> Package | None:
    licence = licence_of(distribution)
    if not is_permissive(licence):
        return None
    files, left = [], MAX_PACKAGE_CHARACTERS
    paths = sorted(str(file) for file in distribution.files or ())
    Random(name).shuffle(paths)
    for path in paths:
        source = _source(site, path)
        if source is not None and len(source) <= left:
            files.append((path, source))
            left -= len(source)
    return Package(name, distribution.version, licence, tuple(files))


def _source(site: Path, path: str) -> str | None:
    """The text of a file that somebody wrote; None for all others."""
    *folders, name = Path(path).parts
    is_skipped = SKIPPED_PARTS.intersection(folders) or name.startswith("test_") or name.endswith(SKIPPED_ENDINGS)
    if not name.endswith(".py") or is_skipped or ".." in folders:
        return None
    try:
        source = (site / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return source if len(source) in FILE_CHARACTERS and not is_generated(source) else None


def read_packages(site: Path) -> Iterator[Document]:
    """The packages' source, cut between top-level statements; the split goes by file."""
    for package in packages(site):
        for path, source in package.files:
            yield from (Document("packages", path, piece) for piece in code_pieces(source))


def package_works() -> list[dict[str, str | int]]:
    """Name, version, licence and size of every package that was read, for the manifest."""
    return [
        {
            "name": package.name,
            "version": package.version,
            "licence": package.licence,
            "files": len(package.files),
            "characters": package.num_characters,
        }
        for package in packages(site_folder())
    ]

"""Which files of a folder are documents: all but what is hidden, ignored, generated, linked, or plainly no text."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from owngpt.cli.ignore import Rules, is_ignored, read_rules
from owngpt.retrieval.document import DocumentError
from owngpt.retrieval.parse.detect import detect

IGNORE_FILE = ".gitignore"
_GENERATED = frozenset({"node_modules", "__pycache__", "venv", "site-packages", "__MACOSX"})
_PEEK_OVER = 1024**2  # bytes: larger files are looked at before they are read as a whole
_PEEK = 8192
_CONTAINERS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # office files: only the whole of one says what it is


class Seen(NamedTuple):
    """A file, and why it is not read, if it is not."""

    name: str  # its path in the folder, with slashes
    path: Path
    size: int = 0  # bytes
    stamp: str = ""  # changes when the file does
    reason: str | None = None


def look(folder: Path, max_bytes: int) -> list[Seen]:
    """What there is to read, by name. Raises `OSError` if the folder itself cannot be opened."""
    os.scandir(folder).close()
    return sorted(_walk(folder, "", (), max_bytes), key=lambda seen: seen.name)


def look_at(path: Path, max_bytes: int) -> Seen:
    """A single file."""
    return _seen(path, path.name, path.stat(), max_bytes)


def stamp_of(status: os.stat_result) -> str:
    """When a file was written and by how many bytes; what has the same one is taken to be the same."""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def _walk(folder: Path, prefix: str, rules: Sequence[Rules], max_bytes: int) -> Iterator[Seen]:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        yield Seen(prefix, folder, reason=cannot_open(error))
        return
    rules = (*rules, *_rules_in(folder, prefix))
    for entry in entries:
        name = prefix + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if _is_left_out(entry.name) or is_ignored(name, rules, is_folder=is_folder):
            continue
        path = folder / entry.name
        if not _is_unicode(entry.name):
            shown = entry.name.encode("utf-8", "replace").decode()
            yield Seen(prefix + shown, path, reason="its name is not Unicode; rename it")
        elif entry.is_symlink():
            yield Seen(name, path, reason="it is a link, and links are not followed")
        elif is_folder:
            if not (path / "pyvenv.cfg").exists():
                yield from _walk(path, f"{name}/", rules, max_bytes)
        elif entry.is_file():
            yield _seen(path, name, entry.stat(), max_bytes)


def _seen(path: Path, name: str, status: os.stat_result, max_bytes: int) -> Seen:
    reason = f"it has more than {max_bytes >> 20} MiB; split it" if status.st_size > max_bytes else None
    if reason is None and status.st_size > _PEEK_OVER:
        reason = _not_a_document(path)
    return Seen(name, path, status.st_size, stamp_of(status), reason)


def _not_a_document(path: Path) -> str | None:
    """What a large file is instead, by how it begins."""
    try:
        with path.open("rb") as file:
            head = file.read(_PEEK)
    except OSError as error:
        return cannot_open(error)
    try:
        if not head.startswith(_CONTAINERS):
            detect(path.name, head)
    except DocumentError as error:
        return error.message
    return None


def cannot_open(error: OSError) -> str:
    """As a reason."""
    return f"it cannot be opened ({error.strerror or error})"


def _rules_in(folder: Path, prefix: str) -> Iterator[Rules]:
    try:
        with (folder / IGNORE_FILE).open(encoding="utf-8", errors="replace") as file:
            yield read_rules(prefix, file)
    except OSError:  # there is none
        return


def _is_left_out(name: str) -> bool:
    """Hidden, generated, or what office programs leave beside a file that is open."""
    return name.startswith((".", "~$")) or name in _GENERATED


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

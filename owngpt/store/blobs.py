"""The bytes of files, under their SHA-256 in one folder. Equal bytes are kept once.

A blob comes and goes under the database's write lock, so a row that names one always finds it:

- bytes are written to a temporary name and synced; in the transaction that writes the row they get their own name;
- a blob is deleted in a transaction that has seen that no row names it.

What a crash leaves behind is a temporary file or a blob without a row, and both are collected at the next start. A
temporary file is locked for as long as somebody, in whatever process, may still give it its name.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from owngpt.errors import PayloadTooLarge, ServiceUnavailable
from owngpt.store.db import Database, Transaction

_NAMED = """
    SELECT 1 AS named FROM files WHERE sha256 = ?
    UNION ALL SELECT 1 FROM upload_parts WHERE sha256 = ?
    UNION ALL SELECT 1 FROM batches WHERE input_sha256 = ?
    LIMIT 1
"""
_ALL_NAMED = """
    SELECT sha256 FROM files UNION SELECT sha256 FROM upload_parts
    UNION SELECT input_sha256 AS sha256 FROM batches WHERE input_sha256 IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Staged:
    """Bytes that are on disk and have no name yet."""

    path: Path
    sha256: str
    bytes: int


class Writer:
    """Receives bytes, at most `max_bytes`; `end` syncs them. Raises `PayloadTooLarge`, `ServiceUnavailable`."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._hash, self._bytes = hashlib.sha256(), 0
        with _disk_errors():
            self._path, self._file = _locked(folder)

    def write(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes > self._max_bytes:
            raise PayloadTooLarge(f"the file is over {self._max_bytes} bytes, which is the most that is taken here")
        self._hash.update(data)
        with _disk_errors():
            _write_all(self._file, data)

    def end(self) -> Staged:
        """The bytes are on disk when this returns."""
        with _disk_errors():
            os.fsync(self._file)
        return Staged(self._path, self._hash.hexdigest(), self._bytes)

    def close(self) -> None:
        """Forget what has no name by now."""
        os.close(self._file)
        self._path.unlink(missing_ok=True)


class Blobs:
    """The blobs of all projects. Whose they are is for the rows that name them to say."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._staging = folder, folder / "incoming"
        for each in (folder, self._staging):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)

    @contextmanager
    def writer(self, max_bytes: int) -> Iterator[Writer]:
        """To bring bytes in; what was not kept when the block ends is deleted."""
        writer = Writer(self._staging, max_bytes)
        try:
            yield writer
        finally:
            writer.close()

    def keep(self, transaction: Transaction, staged: Staged) -> None:
        """Give staged bytes their name, in the transaction that writes the row which names them."""
        place = self.path(staged.sha256)
        with _disk_errors():
            if not place.exists():
                place.parent.mkdir(exist_ok=True, mode=0o700)
                os.rename(staged.path, place)
            _sync_folder(place.parent)  # in any case: who named it may have been killed before this
            _sync_folder(self._folder)

    def path(self, sha256: str) -> Path:
        """Where the bytes of that hash lie."""
        assert re.fullmatch(r"[0-9a-f]{64}", sha256), sha256
        return self._folder / sha256[:2] / sha256

    def open(self, sha256: str) -> BinaryIO:
        """For reading; stays readable when the blob is deleted. Raises `FileNotFoundError`."""
        return self.path(sha256).open("rb")

    def release(self, db: Database, sha256s: Iterable[str]) -> None:
        """Delete those of these blobs that no row names any more. Call it after the commit that unnamed them."""
        for sha256 in dict.fromkeys(sha256s):
            with db.write() as transaction:
                if not transaction.execute(_NAMED, (sha256,) * 3):
                    self.path(sha256).unlink(missing_ok=True)

    def collect(self, db: Database) -> int:
        """Delete what crashes have left behind; -> how many blobs that were. For the start."""
        for entry in self._staging.iterdir():
            _unlink_unlocked(entry)
        present = [entry.name for part in self._folder.glob("[0-9a-f][0-9a-f]") for entry in part.iterdir()]
        named = {row["sha256"] for row in db.read(_ALL_NAMED)}
        orphans = [sha256 for sha256 in present if sha256 not in named]
        self.release(db, orphans)
        return len(orphans)


def _locked(folder: Path) -> tuple[Path, int]:
    """A new file, open and locked: another one, if it was collected before it could be locked."""
    while True:
        path = folder / secrets.token_hex(16)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)


def _unlink_unlocked(path: Path) -> None:
    """Delete the file unless somebody is at it."""
    with suppress(FileNotFoundError):  # it was just kept, or given up
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    """A file may take less than it is given."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    """So that the names in it survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise ServiceUnavailable("the server's disk is full; nothing was kept") from error

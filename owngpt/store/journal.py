"""Numbers that grow while a request runs, in memory that outlives the process.

A mapped file of slots of one size: what is written there is in the page cache of the operating system at once, so a
process that is killed at any moment loses nothing of it, and writing costs no system call. It is not synced to the
disk: after a power failure, entries that were open may be missing or older than they were; none is ever wrong, for
each has a checksum.

    offset 0      length and CRC-32 of the head (0: the slot is free), then the head: bytes that are written once
    from the end  two copies of the numbers, written in turn, each with its sequence number and a CRC-32 that
                  continues the head's, so that the numbers of an earlier entry never pass for a later one's

Each process has files of its own, which it keeps locked. The lock ends with the process, so a file that can be locked
belongs to nobody any more: `abandoned` reads what was open in it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

SLOT_BYTES = 2048
SLOTS_PER_FILE = 256
NUM_NUMBERS = 5
SUFFIX = ".slots1"  # another layout gets another number
_HEAD = struct.Struct("<II")  # length, CRC-32
_COPY = struct.Struct(f"<Q{NUM_NUMBERS}q")  # sequence number, the numbers
_CRC = struct.Struct("<I")
_COPY_BYTES = _COPY.size + _CRC.size
_COPIES = (SLOT_BYTES - 2 * _COPY_BYTES, SLOT_BYTES - _COPY_BYTES)
MAX_HEAD_BYTES = _COPIES[0] - _HEAD.size


class Entry(NamedTuple):
    """What an abandoned slot holds."""

    head: bytes
    numbers: tuple[int, ...]


class Slot:
    """One entry. Used by one thread at a time."""

    def __init__(self, memory: mmap.mmap, offset: int) -> None:
        self._memory, self._offset = memory, offset
        self._seed = self._turn = 0

    def begin(self, head: bytes) -> None:
        """Open an entry whose numbers are all 0."""
        assert 0 < len(head) <= MAX_HEAD_BYTES, f"{len(head)} bytes; a slot takes {MAX_HEAD_BYTES}"
        self._seed, self._turn = crc32(head), 0
        start = self._offset + _HEAD.size
        self._memory[start : start + len(head)] = head
        _HEAD.pack_into(self._memory, self._offset, len(head), self._seed)

    def update(self, *numbers: int) -> None:
        """Replace the numbers: before the call has ended, the former ones hold."""
        self._turn += 1
        copy = _COPY.pack(self._turn, *numbers)
        place = self._offset + _COPIES[self._turn & 1]
        self._memory[place : place + _COPY_BYTES] = copy + _CRC.pack(crc32(copy, self._seed))

    def end(self) -> None:
        """Close the entry: from now on nobody recovers it."""
        _HEAD.pack_into(self._memory, self._offset, 0, 0)


class Journal:
    """The slots of this process; a file is added whenever all are taken. Safe to use from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[_File] = []
        self._free: list[Slot] = []
        self._num_open = 0
        self._lock = threading.Lock()

    def begin(self, head: bytes) -> Slot:
        """Open an entry. Raises `OSError` where there is no room on the disk for a file of slots."""
        with self._lock:
            if not self._free:
                file = _File.create(self._folder)
                self._files.append(file)
                self._free += file.slots()
            slot = self._free.pop()
            self._num_open += 1
        slot.begin(head)
        return slot

    def end(self, slot: Slot) -> None:
        """Close an entry."""
        slot.end()
        with self._lock:
            self._free.append(slot)
            self._num_open -= 1

    def close(self) -> None:
        """Delete the files if no entry is open; otherwise leave them to the next start."""
        for file in self._files:
            file.close(delete=self._num_open == 0)
        self._files, self._free = [], []


class _File:
    """One file of slots, locked for as long as it is open."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor
        self._memory = mmap.mmap(descriptor, SLOTS_PER_FILE * SLOT_BYTES)

    @classmethod
    def create(cls, folder: Path) -> _File:
        """It gets its name when it is locked. Its blocks are reserved: a mapped page without one would kill us."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _reserve(descriptor, SLOTS_PER_FILE * SLOT_BYTES)
            file = cls(path.rename(path.with_suffix(SUFFIX)), descriptor)
        except BaseException:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        return file

    def slots(self) -> list[Slot]:
        return [Slot(self._memory, number * SLOT_BYTES) for number in range(SLOTS_PER_FILE)]

    def close(self, *, delete: bool) -> None:
        if delete:
            self.path.unlink(missing_ok=True)
        self._memory.close()
        os.close(self._descriptor)


@contextmanager
def abandoned(folder: Path) -> Iterator[list[Entry]]:
    """The open entries of processes that are gone. If the block ends well, their files are deleted.

    While the block is open nobody else sees them; what a living process holds is never touched.
    """
    with ExitStack() as stack:
        files = [file for path in sorted(folder.glob(f"*{SUFFIX}")) if (file := _lock(path, stack)) is not None]
        yield [entry for path, memory in files for entry in _entries(memory)]
        for path, _ in files:
            path.unlink(missing_ok=True)


def _lock(path: Path, stack: ExitStack) -> tuple[Path, bytes] | None:
    """The file's bytes, if nobody holds it; it stays locked until the stack is left."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return path, path.read_bytes() if path.exists() else b""


def _reserve(descriptor: int, size: int) -> None:
    """Room on the disk, taken now where the system can: a write to the map that finds none is a deadly signal."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)


def _entries(memory: bytes) -> Iterator[Entry]:
    for offset in range(0, len(memory) - SLOT_BYTES + 1, SLOT_BYTES):
        slot = memory[offset : offset + SLOT_BYTES]
        length, crc = _HEAD.unpack_from(slot)
        head = slot[_HEAD.size : _HEAD.size + length]
        if 0 < length <= MAX_HEAD_BYTES and crc32(head) == crc:
            yield Entry(head, _newest(slot, crc))


def _newest(slot: bytes, seed: int) -> tuple[int, ...]:
    """The numbers that were written last; zeros where none were."""
    newest = (0,) * (NUM_NUMBERS + 1)
    for place in _COPIES:
        copy = slot[place : place + _COPY.size]
        if _CRC.unpack_from(slot, place + _COPY.size)[0] == crc32(copy, seed):
            newest = max(newest, _COPY.unpack(copy))
    return newest[1:]

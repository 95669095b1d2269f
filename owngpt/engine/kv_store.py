"""KVStore: blocks of keys and values in a folder, one file each. It knows names and bytes; no tokens, no tensors.

A file is a tag and the bytes of a block. The tag is BLAKE2b (RFC 7693) over name and bytes, keyed with a secret that
lies in the folder: what was cut, changed, renamed or made elsewhere is noticed before it is used, and then it is gone.
A file is written beside and moved into place, so a process that is killed leaves nothing that looks whole; it need
not reach the disk at once either, since half a file has the wrong tag.

The folder has one owner at a time, and nobody else may look into it: which names exist tells what has been asked.
"""

from __future__ import annotations

import fcntl
import hmac
import logging
import os
import secrets
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from owngpt.errors import ConfigError

logger = logging.getLogger(__name__)

_KEY_BYTES = 32
_TAG_BYTES = 32
_BLOCK, _UNFINISHED = ".kv", ".tmp"


class KVStore:
    """At most `max_bytes` of blocks; those that were used longest ago make room. Safe to use from any thread.

    Raises `ConfigError` where the folder cannot be used, is open to others, or has an owner already.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._folder = folder
        try:
            _make_private(folder)
            self._owner = _take_lock(folder)
            self.key = _secret(folder / "key")
            self._sizes = self._list()
        except OSError as error:
            raise ConfigError(f"kv_cache_dir {folder} cannot be used: {error}") from error
        self._num_bytes = sum(self._sizes.values())
        self._guard = threading.Lock()
        self._num_users = 0
        self._has_warned = False
        self._make_room(0)

    @property
    def num_bytes(self) -> int:
        """What the files take."""
        return self._num_bytes

    def __contains__(self, name: bytes) -> bool:
        return name in self._sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def read(self, name: bytes, num_bytes: int) -> memoryview | None:
        """What was written under this name, of that size; None, and the file is gone, if it is anything else."""
        content = memoryview(bytearray(_TAG_BYTES + num_bytes))
        tag, data = content[:_TAG_BYTES], content[_TAG_BYTES:]
        try:
            with self._path(name).open("rb", buffering=0) as file:
                is_whole = file.readinto(content) == len(content) and not file.read(1)
        except OSError:
            is_whole = False
        if is_whole and hmac.compare_digest(tag, self._tag(name, data)):
            return data
        self._discard([name])
        return None

    def write(self, name: bytes, data: memoryview, keep: Collection[bytes] = ()) -> bool:
        """Whether it is there now. No room is made at the cost of `keep`: the chain that would be cut by that."""
        if name in self:
            return True
        size = _TAG_BYTES + len(data)
        if not self._make_room(size, keep) or not self._write(name, data):
            return False
        with self._guard:
            self._sizes[name] = size
            self._num_bytes += size
        return True

    def touch(self, names: Iterable[bytes]) -> None:
        """They have been used just now, the last one last. Lasts beyond this process."""
        for name in names:
            with self._guard:
                if name in self._sizes:
                    self._sizes.move_to_end(name)
            with suppress(OSError):
                os.utime(self._path(name), ns=(now := time.time_ns(), now))  # the system's own is too coarse

    def retain(self) -> KVStore:
        """One more user; each of them closes it."""
        self._num_users += 1
        return self

    def close(self) -> None:
        """Let another process have the folder once the last user has closed it."""
        self._num_users -= 1
        if self._num_users <= 0:
            with suppress(OSError):
                os.close(self._owner)

    def _write(self, name: bytes, data: memoryview) -> bool:
        path = self._path(name)
        beside = path.with_suffix(_UNFINISHED)
        try:
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(self._tag(name, data))
                file.write(data)
            beside.replace(path)
        except OSError as error:
            self._warn(error)
            with suppress(OSError):
                beside.unlink()
            return False
        return True

    def _make_room(self, size: int, keep: Collection[bytes] = ()) -> bool:
        """Delete the oldest files until so many bytes fit; False if they never will, or if one to keep were next."""
        victims: list[bytes] = []
        with self._guard:
            spare = self.max_bytes - size - self._num_bytes
            for name, taken in self._sizes.items():
                if spare >= 0 or name in keep:
                    break
                victims.append(name)
                spare += taken
        self._discard(victims)
        return spare >= 0

    def _discard(self, names: Iterable[bytes]) -> None:
        for name in names:
            with self._guard:
                self._num_bytes -= self._sizes.pop(name, 0)
            with suppress(OSError):
                self._path(name).unlink()

    def _list(self) -> OrderedDict[bytes, int]:
        """Sizes of the blocks that are there, oldest first; their contents are not read."""
        found: list[tuple[int, bytes, int]] = []
        for path in self._folder.iterdir():
            if path.suffix == _UNFINISHED:
                path.unlink()
            elif path.suffix == _BLOCK and (name := _name(path.stem)) is not None:
                status = path.stat()
                found.append((status.st_mtime_ns, name, status.st_size))
        return OrderedDict((name, size) for _, name, size in sorted(found))

    def _path(self, name: bytes) -> Path:
        return self._folder / f"{name.hex()}{_BLOCK}"

    def _tag(self, name: bytes, data: memoryview) -> bytes:
        tag = blake2b(name, digest_size=_TAG_BYTES, key=self.key, person=b"tag")
        tag.update(data)
        return tag.digest()

    def _warn(self, error: OSError) -> None:
        log = logger.debug if self._has_warned else logger.warning
        self._has_warned = True
        log("a block could not be written to %s: %s", self._folder, error)


def _make_private(folder: Path) -> None:
    """Make the folder, for its owner only; a folder that others can look into is taken only while it is empty."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise ConfigError(f"kv_cache_dir {folder} belongs to another user; name a folder of your own")
    if stat.S_IMODE(status.st_mode) & 0o077:
        if any(folder.iterdir()):
            raise ConfigError(f"kv_cache_dir {folder} is open to other users; run chmod 700 on it, or name another one")
        folder.chmod(0o700)


def _take_lock(folder: Path) -> int:
    """A file descriptor; the folder is ours until it is closed, or until the process ends."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise ConfigError(f"kv_cache_dir {folder} is in use; give every server a folder of its own") from error
    return descriptor


def _secret(path: Path) -> bytes:
    """The folder's secret, made when it is not there. With another one, no block that was written before is found."""
    with suppress(FileNotFoundError):
        if len(key := path.read_bytes()) == _KEY_BYTES:
            return key
    key = secrets.token_bytes(_KEY_BYTES)
    beside = path.with_suffix(_UNFINISHED)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(key)
    beside.replace(path)
    return key


def _name(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None

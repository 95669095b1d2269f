"""Vector stores in memory: loaded when first searched, brought up to date at every search, bounded in bytes.

The database is the truth; what is here can be thrown away at any time. A change costs the files that changed: new ones
make a new part, and parts of similar size are joined, so there are few (a log-structured merge, without the log).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from owngpt.retrieval.dense import Matrix
from owngpt.retrieval.index import postings_of
from owngpt.retrieval.part import FileVersion, Part, space
from owngpt.retrieval.postings import Postings
from owngpt.retrieval.terms import ANALYSIS
from owngpt.store.chunks import ChunkOwner, Chunks, IndexedFile, StoredSegment
from owngpt.store.filters import Filter

MAX_BYTES = 2**31
_FILES_AT_ONCE = 256
_MAX_MASKS = 16
_NUM_LOCKS = 64
_MAX_DEAD = 0.25  # of the rows of a part; then it is made anew without them
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class StoreIndex:
    """A vector store as of one revision. Its arrays are never changed, only replaced."""

    revision: str = ""
    files: Mapping[str, IndexedFile] = field(default_factory=dict)  # by id, oldest first
    parts: tuple[Part, ...] = ()
    named: frozenset[str] = frozenset()  # principals that are readers of some file
    _masks: dict[tuple[object, ...], list[Mask]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Of memory, in the arrays."""
        return sum(part.nbytes for part in self.parts)

    def owner(self, version: FileVersion) -> ChunkOwner | None:
        """Of a file as it is in a part; None if it is no longer indexed like that."""
        file = self.files.get(version.file_id)
        return file.owner if file is not None and file.content == version.content else None

    def is_current(self, version: FileVersion) -> bool:
        """Whether the file is still indexed like that."""
        return self.owner(version) is not None

    def readable(self, principals: frozenset[str]) -> list[Mask]:
        """For each part: the rows of files that name nobody, or one of these."""
        named = principals & self.named  # most callers are named nowhere, so they are all alike

        def may_read(version: FileVersion) -> bool:
            owner = self.owner(version)
            return owner is not None and (not owner.readers or not owner.readers.isdisjoint(named))

        return self._remember(("readable", named), may_read)

    def selected(self, filters: Filter | None) -> list[Mask]:
        """For each part: the rows of files whose attributes pass."""

        def passes(version: FileVersion) -> bool:
            owner = self.owner(version)
            return owner is not None and (filters is None or filters.matches(owner.attributes))

        return self._remember(("selected", repr(filters)), passes)  # 1 and True are equal, their texts are not

    def _remember(self, key: tuple[object, ...], is_meant: Callable[[FileVersion], bool]) -> list[Mask]:
        masks = self._masks.get(key)
        if masks is None:
            if len(self._masks) >= _MAX_MASKS:
                self._masks.clear()
            masks = self._masks[key] = [part.of_files(is_meant) for part in self.parts]
        return masks


class StoreKey(NamedTuple):
    """A vector store of a project."""

    project_id: str
    vector_store_id: str


class Memory:
    """The stores that were searched last, as far as they fit into `max_bytes` (the one in use always does)."""

    def __init__(self, chunks: Chunks, max_bytes: int = MAX_BYTES) -> None:
        self._chunks, self._max_bytes = chunks, max_bytes
        self._stores: OrderedDict[StoreKey, StoreIndex] = OrderedDict()  # least recently used first
        self._lock = threading.Lock()  # guards it
        self._loading = [threading.Lock() for _ in range(_NUM_LOCKS)]

    def current(self, key: StoreKey) -> StoreIndex:
        """The store as of now, every change that was committed before this call included."""
        with self._loading[hash(key) % _NUM_LOCKS]:  # two searches do not load the same store
            with self._lock:
                old = self._stores.pop(key, StoreIndex())
            index = refreshed(self._chunks, key, old)
            if index.parts:
                self._keep(key, index)
        return index

    @property
    def nbytes(self) -> int:
        """Of all stores that are kept."""
        with self._lock:
            return sum(index.nbytes for index in self._stores.values())

    def _keep(self, key: StoreKey, index: StoreIndex) -> None:
        with self._lock:
            self._stores[key] = index
            total = sum(kept.nbytes for kept in self._stores.values())
            while total > self._max_bytes and len(self._stores) > 1:
                total -= self._stores.popitem(last=False)[1].nbytes


def refreshed(chunks: Chunks, key: StoreKey, old: StoreIndex) -> StoreIndex:
    """The store as it is now, with the parts of `old` as far as they still hold."""
    revision = chunks.revision(key.vector_store_id)  # first: what changes in the meantime is found next time
    if revision == old.revision:
        return old
    files = {file.owner.file_id: file for file in chunks.files(*key)}
    new = StoreIndex(revision, files)
    parts = [kept for part in old.parts if (kept := _without_dead(part, new.is_current)) is not None]
    have = {version for part in parts for version in part.files}
    missing = [file for file in files.values() if _version(file) not in have]
    named = frozenset[str]().union(*(file.owner.readers for file in files.values()))
    return StoreIndex(revision, files, tuple(_merged([*parts, *_load(chunks, missing)])), named)


def _without_dead(part: Part, is_current: Callable[[FileVersion], bool]) -> Part | None:
    alive = part.of_files(is_current)
    if not alive.any():
        return None
    return part.only(is_current) if np.count_nonzero(~alive) > _MAX_DEAD * len(part) else part


def _load(chunks: Chunks, files: Sequence[IndexedFile]) -> Iterator[Part]:
    """New parts, each of at most some hundred files and of one space."""
    for start in range(0, len(files), _FILES_AT_ONCE):
        single = [_part(chunks, stored) for stored in chunks.segments(files[start : start + _FILES_AT_ONCE])]
        for group in _by_space(single):
            yield Part.joined(group)


def _part(chunks: Chunks, stored: StoredSegment) -> Part:
    """A part of one segment of a file."""
    segment, matrix = stored.segment, None
    if stored.embedder:
        matrix = Matrix.of(np.frombuffer(segment.vectors, "<f2").reshape(segment.num_chunks, segment.dimensions))
    return Part(
        space(stored.embedder, segment.dimensions),
        (_version(stored.file),),
        np.zeros(segment.num_chunks, np.int32),
        np.arange(segment.base, segment.base + segment.num_chunks, dtype=np.int32),
        _postings(chunks, stored),
        matrix,
    )


def _postings(chunks: Chunks, stored: StoredSegment) -> Postings:
    """As they were made, or made anew from the text if the rules were others then."""
    segment, owner = stored.segment, stored.file.owner
    if segment.analysis == ANALYSIS:
        return Postings.from_bytes(segment.terms)
    all_chunks = chunks.list(owner.vector_store_id, owner.file_id)
    return postings_of(all_chunks[segment.base : segment.base + segment.num_chunks])


def _merged(parts: Sequence[Part]) -> Iterator[Part]:
    """Of each space, parts of which each has more than twice the rows of the next."""
    for group in _by_space(parts):
        stack: list[list[Part]] = []
        for part in sorted(group, key=len, reverse=True):
            stack.append([part])
            while len(stack) > 1 and _size(stack[-2]) <= 2 * _size(stack[-1]):
                stack[-2:] = [stack[-2] + stack[-1]]
        yield from (some[0] if len(some) == 1 else Part.joined(some) for some in stack)


def _by_space(parts: Sequence[Part]) -> Iterator[list[Part]]:
    in_order = sorted(parts, key=lambda part: part.space)
    return (list(group) for _, group in groupby(in_order, key=lambda part: part.space))


def _size(parts: Sequence[Part]) -> int:
    return sum(map(len, parts))


def _version(file: IndexedFile) -> FileVersion:
    return FileVersion(file.owner.file_id, file.content)

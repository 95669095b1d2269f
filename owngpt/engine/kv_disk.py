"""KVDisk: prefixes that outlive their blocks. It moves blocks between KV memory and a `KVStore`, beside the steps.

A block's name on disk is BLAKE2b (RFC 7693), keyed with the store's secret, over the name of the block before it and
its own tokens; the first one follows the engine's identity and the namespace. So a name stands for weights, arithmetic,
namespace and every token so far: what has another name is never looked at, and nobody can guess one.

- When a request is admitted, and disk has more of it than memory, it holds its blocks and waits while they are read;
  others run on. Blocks are put in place between two steps, and are shared at once.
- When a request has ended, the blocks that it shared are copied, a few between two steps, and written by a thread.
  Those that are needed for something else before their turn comes are not saved.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from time import perf_counter, sleep

import torch

from owngpt.engine.block_io import BlockReader, BlockWriter, Reading
from owngpt.engine.kv_store import KVStore
from owngpt.engine.prefix_cache import Node, Parent
from owngpt.engine.request import Request
from owngpt.engine.runner import ModelRunner
from owngpt.engine.scheduler import Chunk, Scheduler

_NAME_BYTES = 32
_NOTHING: tuple[Parent, bytes] = (-1, b"")
_MAX_CHAINS = 256  # ended requests whose blocks are still to be saved; beyond it the oldest are given up
_FLUSH_SECONDS = 5.0  # for what is still to be saved when the engine stops
_PAUSE = 0.001
_MAX_CREDIT = 0.005


@dataclass(eq=False, kw_only=True)
class _Restoration(Reading):
    request: Request
    num_placed: int = 0


@dataclass(eq=False)
class _Chain:
    """The blocks of an ended request, of which the first ones have been seen to."""

    token_ids: Sequence[int]
    num_blocks: int
    node: Parent  # of the last one that has been seen to, or the namespace
    name: bytes  # likewise
    names: list[bytes] = field(default_factory=list)
    name_set: set[bytes] = field(default_factory=set)

    def add(self, node: Node, name: bytes) -> None:
        self.node, self.name = node.number, name
        self.names.append(name)
        self.name_set.add(name)


class KVDisk:
    """Used by the engine's thread. `identity` names all that keys and values depend on beside tokens and namespace."""

    def __init__(self, store: KVStore, identity: str, scheduler: Scheduler, runner: ModelRunner) -> None:
        self._store = store.retain()
        self._identity = f"{identity}\0{runner.numerics}\0{scheduler.block_size}\0{runner.block_bytes}"
        self._scheduler = scheduler
        self._runner = runner
        self._reader = BlockReader(store, runner.block_bytes)
        self._writer = BlockWriter()
        self._chains: deque[_Chain] = deque(maxlen=_MAX_CHAINS)
        self._names: dict[int, tuple[Parent, bytes]] = {}  # by block: what it held, and what that is called on disk
        self._credit = 0.0  # seconds that `pump` may use
        self.restored_tokens = 0  # counted since the start

    @property
    def num_bytes(self) -> int:
        """See `scheduler.Disk`."""
        return self._store.num_bytes

    @property
    def is_saving(self) -> bool:
        """Whether there is something left to hand to the writer."""
        return bool(self._chains)

    def restore(self, request: Request) -> None:
        """See `scheduler.Disk`. The last token is always computed, since its logits are wanted."""
        size, num_found = self._scheduler.block_size, request.num_published_blocks
        names, name = list[bytes](), self._last_name(request, num_found)
        for start in range(num_found * size, len(request.token_ids) - size, size):
            name = self._next_name(name, request.token_ids, start)
            if name not in self._store:
                break
            names.append(name)
        if names:
            restoration = _Restoration(names, lambda: request.restoration is restoration, request=request)
            request.restoration = restoration
            self._reader.add(restoration)

    def save(self, request: Request) -> None:
        """See `scheduler.Disk`. What is there already counts as used just now."""
        if request.is_durable and request.namespace is not None and request.num_published_blocks:
            root = self._first_name(request.namespace)
            self._chains.append(_Chain(request.token_ids, request.num_published_blocks, request.namespace, root))

    def collect(self, seconds: float = 0.0) -> None:
        """Put blocks that have been read in their place; waits for one."""
        for reading, data in self._reader.take(seconds):
            assert isinstance(reading, _Restoration)
            if not reading.is_wanted():
                continue
            if data is not None:
                self._place(reading, data)
            if data is None or reading.num_placed == len(reading.names):
                reading.request.restoration = None

    def pump(self, seconds: float) -> None:
        """See to blocks that are to be saved, as far as the writer takes them.

        One block may take longer than `seconds`; then so many calls that follow do nothing that it evens out.
        """
        self._credit = min(self._credit + seconds, _MAX_CREDIT)
        while self._chains and self._credit > 0 and not self._writer.is_full:
            begin = perf_counter()
            if self._advance(self._chains[0]):
                self._chains.popleft()
            self._credit -= perf_counter() - begin

    def close(self, seconds: float = _FLUSH_SECONDS) -> None:
        """Save what is left, for at most so long, and let go of the store."""
        self._reader.close()
        end = perf_counter() + seconds
        while self._chains and perf_counter() < end:
            self.pump(_MAX_CREDIT)
            sleep(_PAUSE if self._writer.is_full else 0.0)
        self._writer.close()
        self._store.close()

    def _place(self, restoration: _Restoration, data: memoryview) -> None:
        request, name = restoration.request, restoration.names[restoration.num_placed]
        restoration.num_placed += 1
        size, start = self._scheduler.block_size, request.num_computed_tokens
        self._runner.write_block(request.block_table[start // size], torch.frombuffer(data, dtype=torch.uint8))
        if request.num_cached_tokens == start:
            request.num_cached_tokens += size
        self.restored_tokens += size
        self._scheduler.commit([Chunk(request, start, start + size, is_last=False)])
        self._names[request.block_table[start // size]] = (request.node, name)

    def _advance(self, chain: _Chain) -> bool:
        """See to the next block: it is on disk, or is handed to the writer; True where there is no next one."""
        start = len(chain.names) * self._scheduler.block_size
        node = self._scheduler.cache.find(chain.node, chain.token_ids, start)
        if node is None or len(chain.names) == chain.num_blocks:  # what comes after a gap is of no use
            self._writer.add(partial(self._store.touch, chain.names[::-1]))  # a prefix outlives what follows it
            return True
        name = self._next_name(chain.name, chain.token_ids, start)
        self._names[node.block] = (node.number, name)
        if name not in self._store:
            data = self._runner.read_block(node.block).numpy().data
            self._writer.add(partial(self._store.write, name, data, chain.name_set))
        chain.add(node, name)
        return False

    def _last_name(self, request: Request, num_blocks: int) -> bytes:
        """Of the last of these blocks of a running request; before the first one, that of its namespace."""
        assert request.namespace is not None
        node, name = self._names.get(request.block_table[num_blocks - 1], _NOTHING) if num_blocks else _NOTHING
        if node == request.node:
            return name
        name, size = self._first_name(request.namespace), self._scheduler.block_size
        for start in range(0, num_blocks * size, size):
            name = self._next_name(name, request.token_ids, start)
        return name

    def _first_name(self, namespace: str) -> bytes:
        return self._digest(f"{self._identity}\0{namespace}".encode())

    def _next_name(self, name: bytes, token_ids: Sequence[int], start: int) -> bytes:
        """Of the block from `start` on, after the one of this name."""
        return self._digest(name + array("q", token_ids[start : start + self._scheduler.block_size]).tobytes())

    def _digest(self, content: bytes) -> bytes:
        return blake2b(content, digest_size=_NAME_BYTES, key=self._store.key, person=b"name").digest()

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
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import blake2b
from time import perf_counter, sleep

import torch

from owngpt.engine.block_io import BlockReader, BlockWriter, Reading
from owngpt.engine.kv_store import KVStore
from owngpt.engine.prefix_cache import Node
from owngpt.engine.request import Request
from owngpt.engine.runner import ModelRunner
from owngpt.engine.scheduler import Chunk, Scheduler

_NAME_BYTES = 32
_MAX_CHAINS = 256  # ended requests whose blocks are still to be saved; beyond it the oldest are given up
_FLUSH_SECONDS = 5.0  # for what is still to be saved when the engine stops
_PAUSE = 0.001


@dataclass(eq=False, kw_only=True)
class _Restoration(Reading):
    request: Request
    num_placed: int = 0


@dataclass(eq=False)
class _Chain:
    """Blocks of an ended request, the first ones first: on disk under `names`, in memory if they still are `nodes`."""

    names: Sequence[bytes]
    nodes: Sequence[Node | None]
    num_done: int = 0

    @cached_property
    def name_set(self) -> frozenset[bytes]:
        return frozenset(self.names)


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
        self.restored_tokens = 0  # counted since the start

    @property
    def is_saving(self) -> bool:
        """Whether there is something left to hand to the writer."""
        return bool(self._chains)

    def restore(self, request: Request) -> None:
        """See `scheduler.Disk`. The last token is always computed, since its logits are wanted."""
        names: list[bytes] = []
        first, end = request.num_published_blocks, (len(request.token_ids) - 1) // self._scheduler.block_size
        while first + len(names) < end and (name := self._name(request, first + len(names))) in self._store:
            names.append(name)
        if names:
            restoration = _Restoration(names, lambda: request.restoration is restoration, request=request)
            request.restoration = restoration
            self._reader.add(restoration)

    def save(self, request: Request) -> None:
        """See `scheduler.Disk`. What is there already counts as used just now."""
        num_blocks = request.num_published_blocks
        if request.is_durable and request.namespace is not None and num_blocks:
            names = [self._name(request, number) for number in range(num_blocks)]
            nodes = [self._scheduler.cache.node_of(block) for block in request.block_table[:num_blocks]]
            self._chains.append(_Chain(names, nodes))

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
        """Copy blocks for the writer: at least one where there is one to copy, and for about so long."""
        end = perf_counter() + seconds
        while self._chains and not self._writer.is_full:
            if self._advance(self._chains[0]):
                self._chains.popleft()
            if perf_counter() >= end:
                break

    def close(self, seconds: float = _FLUSH_SECONDS) -> None:
        """Save what is left, for at most so long, and let go of the store."""
        self._reader.close()
        end = perf_counter() + seconds
        while self._chains and perf_counter() < end:
            self.pump(0.0)
            sleep(_PAUSE if self._writer.is_full else 0.0)
        self._writer.close()
        self._store.close()

    def _place(self, restoration: _Restoration, data: memoryview) -> None:
        restoration.num_placed += 1
        request = restoration.request
        size, start = self._scheduler.block_size, request.num_computed_tokens
        self._runner.write_block(request.block_table[start // size], torch.frombuffer(data, dtype=torch.uint8))
        if request.num_cached_tokens == start:
            request.num_cached_tokens += size
        self.restored_tokens += size
        self._scheduler.commit([Chunk(request, start, start + size, is_last=False)])

    def _advance(self, chain: _Chain) -> bool:
        """Hand the next block that disk lacks to the writer; True at the end of what there is to save."""
        names, nodes = chain.names, chain.nodes
        while chain.num_done < len(names) and names[chain.num_done] in self._store:
            chain.num_done += 1
        node = nodes[chain.num_done] if chain.num_done < len(names) else None
        if node is None or self._scheduler.cache.node_of(node.block) != node:  # what comes after a gap is of no use
            self._writer.add(partial(self._store.touch, names[: chain.num_done][::-1]))  # a prefix outlives the rest
            return True
        data = self._runner.read_block(node.block).numpy().data
        self._writer.add(partial(self._store.write, names[chain.num_done], data, chain.name_set))
        chain.num_done += 1
        return False

    def _name(self, request: Request, number: int) -> bytes:
        """Of the request's block of that number."""
        names, size = request.block_names, self._scheduler.block_size
        while len(names) <= number:
            start = len(names) * size
            parent = names[-1] if names else self._digest(f"{self._identity}\0{request.namespace}".encode())
            names.append(self._digest(parent + array("q", request.token_ids[start : start + size]).tobytes()))
        return names[number]

    def _digest(self, content: bytes) -> bytes:
        return blake2b(content, digest_size=_NAME_BYTES, key=self._store.key, person=b"name").digest()

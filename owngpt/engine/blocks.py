"""BlockPool: a fixed number of KV blocks, counted. Numbers only; it knows no tensors, requests or tokens.

A block is in one of three states:

    free  ──allocate──▶  held (ref_count > 0)  ──release──▶  free, or idle if it is marked as kept
                              ▲                                          │
                              └───────────────── share ──────────────────┘

An idle block still has contents that someone may want (the prefix cache). When no block is free, the idle block
that was released longest ago is taken, and `on_evict` is told.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence


def _ignore(block: int) -> None:
    """Nobody keeps blocks."""


class BlockPool:
    """Blocks `0..num_blocks-1`. All operations are O(1) per block."""

    def __init__(self, num_blocks: int, on_evict: Callable[[int], None] = _ignore) -> None:
        assert num_blocks > 0, "a pool without blocks"
        self.num_blocks = num_blocks
        self.on_evict = on_evict
        self._free = list(range(num_blocks - 1, -1, -1))  # a stack: what was used last is still in the CPU's cache
        self._idle: OrderedDict[int, None] = OrderedDict()  # released longest ago first
        self._kept: set[int] = set()
        self._ref_counts = [0] * num_blocks

    @property
    def num_available(self) -> int:
        """Blocks that `allocate` could hand out."""
        return len(self._free) + len(self._idle)

    def is_shared(self, block: int) -> bool:
        """Whether it has more than one holder."""
        return self._ref_counts[block] > 1

    def allocate(self, count: int) -> list[int]:
        """`count` blocks, each with one reference; the caller has checked `num_available`."""
        assert count <= self.num_available, f"{count} blocks asked for, {self.num_available} available"
        return [self._take() for _ in range(count)]

    def share(self, blocks: Iterable[int]) -> None:
        """One more reference to each block, which is held or idle."""
        for block in blocks:
            assert self._ref_counts[block] or block in self._idle, f"block {block} is free"
            self._idle.pop(block, None)
            self._ref_counts[block] += 1

    def release(self, blocks: Sequence[int]) -> None:
        """One reference less. The last blocks come first, so that a prefix outlives what follows it."""
        for block in reversed(blocks):
            assert self._ref_counts[block] > 0, f"block {block} is not held"
            self._ref_counts[block] -= 1
            if self._ref_counts[block] == 0:
                self._retire(block)

    def keep(self, block: int) -> None:
        """Its contents are worth keeping: once released it is idle, not free."""
        assert self._ref_counts[block] > 0, f"block {block} is not held"
        self._kept.add(block)

    def forget(self, block: int) -> None:
        """Its contents are worthless."""
        self._kept.discard(block)
        if block in self._idle:
            del self._idle[block]
            self._free.append(block)

    def check_integrity(self, tables: Iterable[Sequence[int]]) -> None:
        """Assert that every block is in exactly one state, and that references are those of `tables`."""
        held = Counter(block for table in tables for block in table)
        counted = {block: count for block, count in enumerate(self._ref_counts) if count}
        assert counted == dict(held), f"reference counts {counted} are not those of the tables {dict(held)}"
        states = [*self._free, *self._idle, *held]
        assert sorted(states) == list(range(self.num_blocks)), "a block is in no state, or in two"
        assert set(self._idle) <= self._kept <= set(self._idle) | set(held), "a kept block is free"

    def _take(self) -> int:
        if self._free:
            block = self._free.pop()
        else:
            block, _ = self._idle.popitem(last=False)
            self._kept.discard(block)
            self.on_evict(block)
        self._ref_counts[block] = 1
        return block

    def _retire(self, block: int) -> None:
        if block in self._kept:
            self._idle[block] = None
        else:
            self._free.append(block)

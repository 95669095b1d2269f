"""PrefixCache: computed prefixes -> blocks that hold their keys and values. Knows token ids and blocks, no tensors.

A node stands for one full block of tokens after a certain prefix. Its key is (parent, tokens), where the parent is the
node before it, or the namespace at the start. Node numbers are never used twice and keys are compared whole, so a hit
is exact: neither a hash collision nor an evicted parent can give wrong contents, and nothing crosses a namespace.
A node whose parent was evicted cannot be reached any more; its block is evicted in its turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from owngpt.engine.blocks import BlockPool

Parent = int | str  # a node, or the namespace in front of the first block
BlockKey = tuple[Parent, tuple[int, ...]]


class Prefix(NamedTuple):
    """A cached beginning: its blocks, and the node of the last one."""

    blocks: list[int]
    node: Parent


class Node(NamedTuple):
    """A cached block, and the number of what it holds; a block that is evicted and used again has another number."""

    number: int
    block: int


class PrefixCache:
    """Finds, shares and publishes blocks of `pool`; blocks that nobody uses are evicted by the pool, oldest first."""

    def __init__(self, pool: BlockPool, block_size: int) -> None:
        self.pool = pool
        self.block_size = block_size
        self._nodes: dict[BlockKey, Node] = {}
        self._keys: dict[int, BlockKey] = {}  # by block
        self._numbers = count()
        pool.on_evict = self._forget

    def match(self, namespace: str, token_ids: Sequence[int], limit: int) -> Prefix:
        """The longest cached beginning of `token_ids[:limit]`, in whole blocks. Nothing is locked."""
        blocks: list[int] = []
        node: Parent = namespace
        for start in range(0, limit - self.block_size + 1, self.block_size):
            found = self.find(node, token_ids, start)
            if found is None:
                break
            blocks.append(found.block)
            node = found.number
        return Prefix(blocks, node)

    def find(self, parent: Parent, token_ids: Sequence[int], start: int) -> Node | None:
        """The block of the tokens from `start` on, after `parent`."""
        return self._nodes.get(self.key(parent, token_ids, start))

    def publish(self, parent: Parent, token_ids: Sequence[int], start: int, block: int) -> Node:
        """`block`, which is held, has the computed tokens from `start` on, after `parent`.

        If an equal block is there already, that one stays and its node is returned: hold it instead.
        """
        key = self.key(parent, token_ids, start)
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = Node(next(self._numbers), block)
            self._keys[block] = key
            self.pool.keep(block)
        return node

    def discard(self, blocks: Sequence[int]) -> None:
        """Never give these blocks to anyone again: their contents are wrong."""
        for block in blocks:
            if block in self._keys:
                self._forget(block)
                self.pool.forget(block)

    def check_integrity(self) -> None:
        """Assert that both directions agree."""
        blocks = {key: node.block for key, node in self._nodes.items()}
        assert blocks == {key: block for block, key in self._keys.items()}, "keys and blocks disagree"

    def key(self, parent: Parent, token_ids: Sequence[int], start: int) -> BlockKey:
        """Of the block from `start` on, after `parent`."""
        return parent, tuple(token_ids[start : start + self.block_size])

    def _forget(self, block: int) -> None:
        del self._nodes[self._keys.pop(block)]

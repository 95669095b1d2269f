"""Holdings: which blocks the running requests hold, what is in them, and what comes next. It decides nothing."""

from __future__ import annotations

from collections.abc import Collection

from owngpt.engine.blocks import BlockPool
from owngpt.engine.frontier import Frontier
from owngpt.engine.prefix_cache import BlockKey, Prefix, PrefixCache
from owngpt.engine.request import Request


class Holdings:
    """Moves blocks between requests, the pool and the prefix cache."""

    def __init__(self, num_blocks: int, block_size: int) -> None:
        self.pool = BlockPool(num_blocks)
        self.cache = PrefixCache(self.pool, block_size)
        self.block_size = block_size
        self.num_changes = 0  # to what is held
        self._frontier = Frontier()

    def blocks_for(self, num_tokens: int) -> int:
        return -(-num_tokens // self.block_size)

    def find(self, request: Request) -> Prefix | None:
        """What of a waiting request need not be computed: never the last token, whose logits are wanted.

        None while another one is about to compute what comes next in it: then it pays to wait. So the choices of one
        request, and a burst of prompts with a common beginning, compute it once.
        """
        if request.namespace is None:
            return Prefix([], "")
        if self._frontier.is_near(request, request.awaited):
            return None
        prefix = self.cache.match(request.namespace, request.token_ids, len(request.token_ids) - 1)
        start = len(prefix.blocks) * self.block_size
        is_whole = start + self.block_size < len(request.token_ids)
        request.awaited = self.cache.key(prefix.node, request.token_ids, start) if is_whole else None
        return None if self._frontier.is_near(request, request.awaited) else prefix

    def take(self, request: Request, prefix: Prefix) -> None:
        """`prefix`, which it has a share of already, and blocks for the rest of its tokens."""
        needed = self.blocks_for(len(request.token_ids)) - len(prefix.blocks)
        request.block_table = prefix.blocks + self.pool.allocate(needed)
        request.num_computed_tokens = len(prefix.blocks) * self.block_size
        request.num_published_blocks, request.node = len(prefix.blocks), prefix.node
        self._frontier.move(request, self._next_block(request))

    def has_slot(self, request: Request) -> bool:
        """Whether there is a place for the token that it computes next."""
        return request.num_computed_tokens < len(request.block_table) * self.block_size

    def grow(self, request: Request) -> None:
        """One more block."""
        request.block_table += self.pool.allocate(1)
        self.num_changes += 1

    def reserve(self, request: Request, num_tokens: int, num_in_hand: int) -> int:
        """Slots for up to so many guesses behind its tokens; how many there are. Some blocks stay in hand."""
        num_known = len(request.token_ids)
        missing = self.blocks_for(num_known + num_tokens) - len(request.block_table)
        spare = self.pool.num_available - num_in_hand
        request.block_table += self.pool.allocate(max(0, min(missing, spare)))
        return min(num_tokens, len(request.block_table) * self.block_size - num_known)

    def publish(self, request: Request) -> None:
        """More of it is computed: whole blocks can be shared from now on."""
        if request.namespace is not None:
            for number in range(request.num_published_blocks, request.num_computed_tokens // self.block_size):
                self._publish(request, number)
        self._frontier.move(request, self._next_block(request))

    def free(self, request: Request) -> None:
        """It holds nothing any more."""
        self._frontier.move(request, None)
        self.pool.release(request.block_table)
        self.num_changes += 1
        request.block_table = []
        request.num_computed_tokens = 0
        request.restoration = None

    def num_exclusive(self, request: Request) -> int:
        """Blocks that are free, or idle, as soon as it holds them no more."""
        return sum(not self.pool.is_shared(block) for block in request.block_table)

    def check_integrity(self, running: Collection[Request]) -> None:
        """Assert that each block is where it belongs."""
        self.pool.check_integrity(request.block_table for request in running)
        self.cache.check_integrity()
        assert self._frontier.requests <= set(running), "a block that nobody computes is waited for"

    def _publish(self, request: Request, number: int) -> None:
        start, own = number * self.block_size, request.block_table[number]
        request.node, block = self.cache.publish(request.node, request.token_ids, start, own)
        if block != own:  # somebody was faster: hold what later requests will find
            self.pool.share([block])
            self.pool.release([own])
            request.block_table[number] = block
        request.num_published_blocks += 1

    def _next_block(self, request: Request) -> BlockKey | None:
        """What a running request computes next and others may wait for; None if it is no whole block."""
        start = request.num_published_blocks * self.block_size
        if request.namespace is None or start + self.block_size > len(request.token_ids):
            return None
        return self.cache.key(request.node, request.token_ids, start)

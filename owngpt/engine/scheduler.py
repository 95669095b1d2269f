"""Scheduler: which requests get how many tokens this step. It decides; it touches no tensors and no clients.

One budget of tokens per step. Running streams decode first, one token each; what is left of the budget goes to
prompts in order of arrival, in chunks, so that a long prompt never freezes a stream. Blocks for a whole prompt are
taken when it is admitted, so only decoding can run out of them: then the request that was admitted last is preempted.
It goes to the front of the queue and is computed again later; its client sees nothing but a pause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple, Protocol

from owngpt.engine.blocks import BlockPool
from owngpt.engine.prefix_cache import Prefix, PrefixCache
from owngpt.engine.request import Request, RequestState


class Disk(Protocol):
    """Where prefixes outlive their blocks (`engine/kv_disk.py`)."""

    def restore(self, request: Request) -> None:
        """It has been admitted: if more of it is on disk than in its blocks, its `restoration` brings it."""
        ...

    def save(self, request: Request) -> None:
        """It is about to give its blocks back: what they hold and the disk does not may be written."""
        ...


class Chunk(NamedTuple):
    """The tokens [start, end) of a request, and guesses behind them, to be computed in this step."""

    request: Request
    start: int
    end: int
    is_last: bool  # nothing is left after it, so a token is sampled
    draft: tuple[int, ...] = ()  # what may come after `end`; only where it is the last

    @property
    def stop(self) -> int:
        """The position behind all that is computed, guesses included."""
        return self.end + len(self.draft)

    @property
    def token_ids(self) -> list[int]:
        return [*self.request.token_ids[self.start : self.end], *self.draft]

    @property
    def num_accepted(self) -> int:
        """How much of the draft has come true; known once the step has sampled."""
        pairs = zip(self.draft, self.request.token_ids[self.end : self.stop], strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


class Scheduler:
    """Owns the queue, the running requests (in order of admission) and their blocks."""

    def __init__(
        self, num_blocks: int, block_size: int, max_batch_tokens: int, max_running: int, disk: Disk | None = None
    ) -> None:
        assert max_batch_tokens > 0, "a step without tokens"
        self.pool = BlockPool(num_blocks)
        self.cache = PrefixCache(self.pool, block_size)
        self.block_size = block_size
        self.max_batch_tokens = max_batch_tokens
        self.max_running = max(1, min(max_running, max_batch_tokens - 1))  # prompts always get a part of the budget
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []
        self.num_preemptions = 0
        self.disk = disk

    def add(self, request: Request) -> None:
        """Queue a request whose `max_total_tokens` fit into all the blocks there are."""
        assert self._blocks_for(request.max_total_tokens) <= self.pool.num_blocks, "a request that can never fit"
        self.waiting.append(request)

    def remove(self, request: Request) -> None:
        """It has ended, or its client left: take it out and free its blocks. Harmless when done twice."""
        if request.state is RequestState.RUNNING:
            self.running.remove(request)
            if self.disk is not None:
                self.disk.save(request)
            self._free(request)
        elif request.state is RequestState.WAITING and request in self.waiting:
            self.waiting.remove(request)
        request.state = RequestState.FINISHED

    def schedule(self) -> list[Chunk]:
        """The chunks of this step, at most `max_batch_tokens` tokens; empty when there is nothing to do."""
        chunks = [_chunk(request, 1) for request in self._decoding()]
        budget = self.max_batch_tokens - len(chunks)
        prompts = self._prompts()
        while budget and (request := next(prompts, None)) is not None:
            chunks.append(_chunk(request, budget))
            budget -= chunks[-1].end - chunks[-1].start
        return chunks

    def reserve(self, request: Request, num_tokens: int) -> int:
        """Slots for up to so many guesses behind the tokens of a running request; how many there are.

        Nobody is preempted for a guess, and one block per stream that runs stays in hand.
        """
        num_known = len(request.token_ids)
        missing = self._blocks_for(num_known + num_tokens) - len(request.block_table)
        spare = self.pool.num_available - len(self.running)
        request.block_table += self.pool.allocate(max(0, min(missing, spare)))
        return min(num_tokens, len(request.block_table) * self.block_size - num_known)

    def commit(self, chunks: Sequence[Chunk]) -> None:
        """These chunks have been computed, and what came after them is known: full blocks can be shared from now on."""
        for chunk in chunks:
            chunk.request.num_computed_tokens = chunk.end + chunk.num_accepted
            self._publish(chunk.request)

    def check_integrity(self) -> None:
        """Assert that each block is where it belongs."""
        self.pool.check_integrity(request.block_table for request in self.running)
        self.cache.check_integrity()
        assert all(request.state is RequestState.RUNNING for request in self.running)
        assert all(request.state is RequestState.WAITING and not request.block_table for request in self.waiting)

    def _decoding(self) -> Iterator[Request]:
        """Running streams, each with a slot for its next token. May preempt those that come later."""
        for request in list(self.running):
            if request.state is RequestState.RUNNING and request.num_remaining_tokens == 1 and self._make_room(request):
                yield request

    def _prompts(self) -> Iterator[Request]:
        """Prompts that are under way, then those that can be admitted."""
        yield from [r for r in self.running if r.num_remaining_tokens > 1 and r.restoration is None]
        while self.waiting and len(self.running) < self.max_running and self._admit(self.waiting[0]):
            if self.running[-1].restoration is None:
                yield self.running[-1]

    def _make_room(self, request: Request) -> bool:
        """See to a slot for one more token, by preemption if need be; False if it had to preempt itself."""
        if request.num_computed_tokens < len(request.block_table) * self.block_size:
            return True
        while not self.pool.num_available:
            victim = self.running[-1]
            self._preempt(victim)
            if victim is request:
                return False
        request.block_table += self.pool.allocate(1)
        return True

    def _preempt(self, request: Request) -> None:
        self.running.remove(request)
        self._free(request)
        request.state = RequestState.WAITING
        self.waiting.appendleft(request)
        self.num_preemptions += 1

    def _admit(self, request: Request) -> bool:
        """Give the head of the queue its blocks, if they are there. One block per stream that runs stays in hand."""
        prefix = self._cached(request)
        if self._is_being_computed(request, len(prefix.blocks)):
            return False
        self.pool.share(prefix.blocks)
        needed = self._blocks_for(len(request.token_ids)) - len(prefix.blocks)
        if needed + len(self.running) > self.pool.num_available:
            self.pool.release(prefix.blocks)
            return False
        self._start(request, prefix, self.pool.allocate(needed))
        return True

    def _start(self, request: Request, prefix: Prefix, blocks: list[int]) -> None:
        self.waiting.popleft()
        self.running.append(request)
        request.state = RequestState.RUNNING
        request.block_table = prefix.blocks + blocks
        request.num_computed_tokens = len(prefix.blocks) * self.block_size
        request.num_published_blocks, request.node = len(prefix.blocks), prefix.node
        if request.num_cached_tokens is None:
            request.num_cached_tokens = request.num_computed_tokens
        if self.disk is not None and request.namespace is not None:
            self.disk.restore(request)

    def _cached(self, request: Request) -> Prefix:
        """What need not be computed: never the last token, whose logits are wanted."""
        if request.namespace is None:
            return Prefix([], "")
        return self.cache.match(request.namespace, request.token_ids, len(request.token_ids) - 1)

    def _is_being_computed(self, request: Request, num_cached_blocks: int) -> bool:
        """Whether a running request is about to compute the next block that this one needs; then it pays to wait.

        So the choices of one request, and a burst of prompts with a common beginning, compute it once.
        """
        end = (num_cached_blocks + 1) * self.block_size
        if request.namespace is None or end >= len(request.token_ids):
            return False
        return any(
            other.namespace == request.namespace
            and other.num_computed_tokens < end <= len(other.token_ids)
            and other.token_ids[:end] == request.token_ids[:end]
            for other in self.running
        )

    def _publish(self, request: Request) -> None:
        if request.namespace is None:
            return
        for number in range(request.num_published_blocks, request.num_computed_tokens // self.block_size):
            start, own = number * self.block_size, request.block_table[number]
            request.node, block = self.cache.publish(request.node, request.token_ids, start, own)
            if block != own:  # somebody was faster: hold what later requests will find
                self.pool.share([block])
                self.pool.release([own])
                request.block_table[number] = block
            request.num_published_blocks += 1

    def _free(self, request: Request) -> None:
        self.pool.release(request.block_table)
        request.block_table = []
        request.num_computed_tokens = 0
        request.restoration = None

    def _blocks_for(self, num_tokens: int) -> int:
        return -(-num_tokens // self.block_size)


def _chunk(request: Request, budget: int) -> Chunk:
    start = request.num_computed_tokens
    end = min(len(request.token_ids), start + budget)
    return Chunk(request, start, end, end == len(request.token_ids))

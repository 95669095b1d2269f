"""Scheduler: which requests get how many tokens this step. It decides; it touches no tensors and no clients.

One budget of tokens per step. Running streams decode first, one token each; what is left goes to prompts, in chunks,
tier by tier and in a tier by weighted fair queueing (`fairness.py`), no more of it than the streams beside them can
bear (`pacing.py`). Spare tiers decode and read only with what all that has left over: their streams pause in between.

A step has `max_running` seats. Where more requests hold blocks than there are seats, those pause that their tenants'
share does not cover; they keep their blocks. Blocks for a whole prompt are taken when it is admitted. Where they do not
suffice, for a stream or for a prompt of a tenant that holds less, the request that is most over its share is preempted
(`shares.py`): it is the first of its tenant's again and computed once more; its client sees nothing but a pause.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Protocol

from owngpt.engine.fairness import Account, FairQueue
from owngpt.engine.holdings import Holdings
from owngpt.engine.pacing import DrainRate, Pace
from owngpt.engine.plan import Chunk as Chunk
from owngpt.engine.plan import Plan
from owngpt.engine.prefix_cache import Prefix
from owngpt.engine.request import Request, RequestState
from owngpt.engine.shares import ranked
from owngpt.types import Claim, Tier

_RESERVE_STEPS = 8  # full steps of tokens that a tenant may be behind
_SHORT_PROMPT = 128  # tokens: of a tenant that asks for nothing else, so few are read in one step
_MAX_DEBT = 4 * _SHORT_PROMPT  # tokens that may be lent at a time: however many such tenants come, streams go on
_MAX_PASSED = 8  # tenants that are tried in vain in one step; beyond it only prompts under way are read
_STEADY, _SPARE = (Tier.PRIORITY, Tier.DEFAULT), (Tier.FLEX, Tier.BATCH)


class Verdict(Enum):
    """Whether a waiting request is admitted."""

    ADMITTED = "admitted"
    LATER = "later"  # no seat for its tenant, or somebody is computing what it needs
    NO_BLOCKS = "no blocks"


class Disk(Protocol):
    """Where prefixes outlive their blocks (`engine/kv_disk.py`)."""

    restored_tokens: int  # counted since the start

    @property
    def num_bytes(self) -> int:
        """What it takes."""
        ...

    def restore(self, request: Request) -> None:
        """It has been admitted: if more of it is on disk than in its blocks, its `restoration` brings it."""
        ...

    def save(self, request: Request) -> None:
        """It is about to give its blocks back: what they hold and the disk does not may be written."""
        ...


class Scheduler:
    """Owns the queues, the running requests (in order of admission) and their blocks.

    A request has a bounded number of preemptions for another tenant's sake: each time it is safe until it has computed
    as much again as it had lost.
    """

    def __init__(
        self,
        num_blocks: int,
        block_size: int,
        max_batch_tokens: int,
        max_running: int,
        disk: Disk | None = None,
        slowdown: float = math.inf,
    ) -> None:
        assert max_batch_tokens > 0, "a step without tokens"
        self._holdings = Holdings(num_blocks, block_size)
        self.pool, self.cache, self.block_size = self._holdings.pool, self._holdings.cache, block_size
        self.max_batch_tokens = max_batch_tokens
        self.max_running = max(1, min(max_running, max_batch_tokens - 1))  # prompts always get a part of the budget
        self.queues = {tier: FairQueue(_RESERVE_STEPS * max_batch_tokens) for tier in Tier}
        self.running: list[Request] = []
        self.num_preemptions = 0
        self.disk = disk
        self.pace = Pace(slowdown)
        self.drain_rate = DrainRate()
        self._admitted: list[Request] = []
        self._mortal: dict[Request, None] = {}  # with a deadline, and never admitted yet
        self._debt = 0  # prompt tokens read beyond what streams can bear
        self._had_waiting = False  # when the step began

    @property
    def num_waiting(self) -> int:
        """Requests without blocks."""
        return sum(queue.num_waiting for queue in self.queues.values())

    @property
    def waiting(self) -> list[Request]:
        """Requests without blocks; those of a tenant and tier in order of arrival."""
        return [request for queue in self.queues.values() for request in queue.waiting]

    @property
    def has_work(self) -> bool:
        """Whether any request has not ended."""
        return bool(self.running or self.num_waiting)

    def add(self, request: Request) -> None:
        """Queue a request whose `max_total_tokens` fit into all the blocks there are."""
        assert self._holdings.blocks_for(request.max_total_tokens) <= self.pool.num_blocks, (
            "a request that can never fit"
        )
        self._queue(request).enter(request)
        if request.claim.deadline is not None:
            self._mortal[request] = None

    def remove(self, request: Request) -> None:
        """It has ended, or its client left: take it out and free its blocks. Harmless when done twice."""
        if request.state is RequestState.FINISHED:
            return
        self._queue(request).leave(request)
        self._mortal.pop(request, None)
        if request.state is RequestState.RUNNING:
            self.running.remove(request)
            if self.disk is not None:
                self.disk.save(request)
            self._holdings.free(request)
        request.state = RequestState.FINISHED

    def schedule(self) -> list[Chunk]:
        """The chunks of this step, at most `max_batch_tokens` tokens; empty when there is nothing to do."""
        self._had_waiting = self._has_queue
        while True:
            num_preemptions = self.num_preemptions
            chunks = self._plan()
            if chunks or self.num_preemptions == num_preemptions:
                return chunks
            # all who had seats have lost their blocks, so that others sit down

    def reserve(self, request: Request, num_tokens: int) -> int:
        """Slots for up to so many guesses behind the tokens of a running request; how many there are.

        Nobody is preempted for a guess, and one block per stream that runs stays in hand.
        """
        return self._holdings.reserve(request, num_tokens, len(self.running))

    def commit(self, chunks: Sequence[Chunk]) -> None:
        """These chunks have been computed, and what came after them is known: full blocks can be shared from now on."""
        for chunk in chunks:
            request = chunk.request
            if chunk.draft:
                self._queue(request).charge(request, len(chunk.draft))
            request.num_computed_tokens = chunk.end + chunk.num_accepted
            self._holdings.publish(request)

    def observe(self, chunks: Sequence[Chunk], seconds: float) -> None:
        """How long the step with these chunks took."""
        streams = [chunk.stop - chunk.start for chunk in chunks if chunk.end - chunk.start == 1]
        num_tokens = sum(chunk.stop - chunk.start for chunk in chunks)
        self.pace.observe(sum(streams), num_tokens - sum(streams), seconds)
        if self._had_waiting:
            read = [chunk.end for chunk in chunks if chunk.end == chunk.request.num_prompt_tokens]
            self.drain_rate.observe(sum(read), seconds)

    def wait_seconds(self, claim: Claim, num_tokens: int) -> float | None:
        """How long a new prompt of so many tokens would wait before it is read; None if nothing was measured yet.

        For any thread.
        """
        rate = self.drain_rate.tokens_per_second
        if rate is None:
            return None
        ahead = self.queues[claim.tier].tokens_ahead(claim, num_tokens)
        return (ahead + sum(self.queues[tier].num_waiting_tokens for tier in Tier if tier < claim.tier)) / rate

    def take_admitted(self) -> list[Request]:
        """Those that were admitted for the first time since this was last asked."""
        admitted, self._admitted = self._admitted, []
        return admitted

    def overdue(self, now: float) -> list[Request]:
        """Requests that were never admitted, and whose deadline is past."""
        return [r for r in self._mortal if r.claim.deadline is not None and r.claim.deadline <= now]

    def check_integrity(self) -> None:
        """Assert that each block is where it belongs, and each request."""
        self._holdings.check_integrity(self.running)
        assert all(request.state is RequestState.RUNNING for request in self.running)
        assert all(request.state is RequestState.WAITING and not request.block_table for request in self.waiting)
        assert len(self.waiting) == self.num_waiting, "waiting requests are miscounted"

    @property
    def _has_queue(self) -> bool:
        """Whether anyone waits for prompts to be read. Who only takes what is spare may wait for streams to end."""
        if any(self.queues[tier].num_waiting for tier in _STEADY):
            return True
        return self.num_waiting > 0 and all(request.claim.tier.is_spare for request in self.running)

    def _plan(self) -> list[Chunk]:
        plan = Plan(self.max_batch_tokens, self._seated(self.running))
        for tier in _STEADY:
            self._decode(plan, tier)
        self._pace_prompts(plan)
        for tier in _STEADY:
            self._read(plan, tier)
        for tier in _SPARE:
            self._decode(plan, tier)
            self._read(plan, tier)
        return plan.chunks

    def _pace_prompts(self, plan: Plan) -> None:
        """Leave for prompts what the streams can bear; half of that may pay for what was lent before."""
        if not plan.num_chunks:
            self._debt = 0  # there is nobody to whom it could be paid
        bearable = self.pace.limit(plan.num_chunks, plan.budget)
        paid = min(self._debt, bearable // 2)
        self._debt -= paid
        plan.hold_back(plan.budget - (bearable - paid))

    def _decode(self, plan: Plan, tier: Tier) -> None:
        """The streams of a tier, each with a slot for its next token. May preempt whoever is most over its share."""
        for request in list(plan.seats):
            is_stream = request.claim.tier is tier and request.num_remaining_tokens == 1 and request.restoration is None
            if plan.budget and is_stream and request in plan.seats and self._make_room(plan, request):
                self._take(plan, request)

    def _read(self, plan: Plan, tier: Tier) -> None:
        """Prompts of a tier: those under way, and new ones if no higher tier waits. Only a tenant that is behind may
        pass one for which there are no blocks, so that big prompts get in, too."""
        turns = self.queues[tier].round()
        may_admit = not any(self.queues[higher].num_waiting for higher in Tier if higher < tier)
        first_blocked, num_passed = math.inf, 0
        while plan.budget and (account := turns.next()) is not None:
            request = account.first
            is_next = may_admit and account.virtual < first_blocked and num_passed < _MAX_PASSED
            verdict = self._turn(plan, account, request, may_admit=is_next)
            if verdict is Verdict.NO_BLOCKS:
                first_blocked = min(first_blocked, account.end)
            if verdict is Verdict.ADMITTED:
                turns.served()
            elif request.restoration is None:
                turns.passed()
                num_passed += 1

    def _turn(self, plan: Plan, account: Account, request: Request, *, may_admit: bool) -> Verdict:
        """Read some of a tenant's first prompt, which may have to be admitted for that."""
        if request.state is RequestState.WAITING:
            verdict = self._admit(plan, request) if may_admit else Verdict.LATER
            if verdict is not Verdict.ADMITTED:
                return verdict
        if request.restoration is not None or request not in plan.seats:
            return Verdict.LATER
        is_small = account.num_requests == 1 and request.num_remaining_tokens <= _SHORT_PROMPT
        if is_small and not request.claim.tier.is_spare:
            self._debt += plan.lend(min(request.num_remaining_tokens - plan.budget, _MAX_DEBT - self._debt))
        self._take(plan, request)
        return Verdict.ADMITTED

    def _take(self, plan: Plan, request: Request) -> None:
        chunk, queue = plan.add(request), self._queue(request)
        queue.charge(request, chunk.end - chunk.start)
        if chunk.is_last:
            queue.done(request)

    def _make_room(self, plan: Plan, request: Request) -> bool:
        """See to a slot for one more token, by preemption if need be; False if it had to preempt itself."""
        if self._holdings.has_slot(request):
            return True
        while not self.pool.num_available:
            victim = ranked(self.running, _num_blocks)[-1].request
            self._preempt(plan, victim)
            if victim is request:
                return False
        self._holdings.grow(request)
        return True

    def _preempt(self, plan: Plan, request: Request) -> None:
        self._drop(plan, request)
        self.running.remove(request)
        request.num_lost_tokens = request.num_computed_tokens
        self._holdings.free(request)
        request.state = RequestState.WAITING
        self._queue(request).put_back(request)
        self.num_preemptions += 1

    def _admit(self, plan: Plan, request: Request) -> Verdict:
        """Give it a seat and its blocks, if they are there. One block per request that runs stays in hand."""
        if request.blocked_at == self._holdings.num_changes:
            return Verdict.NO_BLOCKS
        if request not in self._seated([*self.running, request]) or (prefix := self._holdings.find(request)) is None:
            return Verdict.LATER
        self.pool.share(prefix.blocks)
        if not self._find_blocks(plan, request, len(prefix.blocks)):
            self.pool.release(prefix.blocks)
            request.blocked_at = self._holdings.num_changes
            return Verdict.NO_BLOCKS
        self._start(request, prefix)
        self._sit(plan, request)
        return Verdict.ADMITTED

    def _seated(self, running: list[Request]) -> dict[Request, None]:
        """Who has a seat, if these run."""
        if len(running) <= self.max_running:
            return dict.fromkeys(running)
        return dict.fromkeys(rank.request for rank in ranked(running, lambda request: 1)[: self.max_running])

    def _sit(self, plan: Plan, request: Request) -> None:
        """Take a seat; whoever has none now pauses."""
        plan.seats[request] = None
        seats = self._seated(self.running)
        for other in [other for other in plan.seats if other not in seats]:
            self._drop(plan, other)

    def _drop(self, plan: Plan, request: Request) -> None:
        """It takes no part in this step after all."""
        queue, size = self._queue(request), plan.drop(request)
        queue.charge(request, -size)
        if size and request.num_remaining_tokens > 1:
            queue.resume(request)

    def _find_blocks(self, plan: Plan, request: Request, num_cached: int) -> bool:
        """See to the blocks that it still needs, by preemption of those who hold more than it would if need be."""
        missing = self._num_missing(request, num_cached)
        victims = list(self._victims(request, missing)) if missing > 0 else []
        if missing > sum(self._gain(victim) for victim in victims):
            return False
        for victim in victims:
            self._preempt(plan, victim)
        return True

    def _victims(self, request: Request, missing: int) -> Iterator[Request]:
        """Whoever would give way to `request`, until that gives so many blocks."""
        size = self._holdings.blocks_for(len(request.token_ids))
        ranks = ranked([*self.running, request], lambda other: size if other is request else len(other.block_table))
        for rank in reversed(ranks):
            if rank.request is request or missing <= 0:
                return
            is_safe = rank.request.num_computed_tokens < rank.request.num_safe_tokens
            if rank.tier > request.claim.tier or not is_safe:
                missing -= self._gain(rank.request)
                yield rank.request

    def _num_missing(self, request: Request, num_cached: int) -> int:
        needed = self._holdings.blocks_for(len(request.token_ids)) - num_cached
        return needed + len(self.running) - self.pool.num_available

    def _gain(self, victim: Request) -> int:
        """Blocks that its preemption frees, at the least, and the one that need not stay in hand any more."""
        return 1 + self._holdings.num_exclusive(victim)

    def _start(self, request: Request, prefix: Prefix) -> None:
        self._queue(request).start(request)
        self._mortal.pop(request, None)
        self.running.append(request)
        request.state = RequestState.RUNNING
        self._holdings.take(request, prefix)
        request.num_safe_tokens = 2 * request.num_lost_tokens - request.num_computed_tokens
        if request.num_cached_tokens is None:
            request.num_cached_tokens = request.num_computed_tokens
            is_shared = request.namespace is not None
            request.num_shared_tokens = request.num_prompt_tokens // self.block_size * self.block_size * is_shared
            self._admitted.append(request)
        if self.disk is not None and request.namespace is not None:
            self.disk.restore(request)

    def _queue(self, request: Request) -> FairQueue:
        return self.queues[request.claim.tier]


def _num_blocks(request: Request) -> int:
    return len(request.block_table)

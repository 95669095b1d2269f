"""FairQueue: whose prompt is read next. Knows tenants, weights and tokens; no blocks and no clock.

Weighted fair queueing by tokens that are really computed, so cached ones are free. A tenant's `virtual` is what it got,
divided by its weight; `now` is what it would have got if all tenants with work had been served side by side, by weight
(the virtual time of generalized processor sharing). Next is the tenant whose first prompt would be read to its end
first, which is read as a whole: so none ends later than side by side, but for one step, and short ones end sooner.
(Demers, Keshav, Shenker: Analysis and Simulation of a Fair Queueing Algorithm, 1989; Parekh, Gallager: A Generalized
Processor Sharing Approach to Flow Control, 1993.)

What happened long ago does not count: a tenant that gets something to read is at most `reserve` ahead of `now`, and at
most `reserve` behind it, divided by its unread prompts. So one that was idle and asks for little is served before those
that have a lot waiting (Demers' promptness). When there is nothing left to read, all start afresh.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Iterator
from itertools import count, takewhile

from owngpt.engine.request import Request, RequestState
from owngpt.types import Claim


class Account:
    """A tenant in one tier: its unread prompts in order of arrival, and what it has got."""

    def __init__(self, number: int) -> None:
        self.number = number  # in order of appearance
        self.weight = 1.0
        self.virtual = -math.inf  # tokens divided by weight
        self.num_requests = 0  # that have not ended
        self.last_turn = -1
        self.prompts: OrderedDict[Request, None] = OrderedDict()  # waiting, or read in part

    @property
    def head(self) -> Request | None:
        """The first prompt; one that comes from disk just now does not keep the others."""
        return next((request for request in self.prompts if request.restoration is None), None)

    @property
    def first(self) -> Request:
        """Likewise, where there is one."""
        head = self.head
        assert head is not None, "an account with nothing to read"
        return head

    @property
    def end(self) -> float:
        """Where `virtual` will be when the first prompt is read."""
        return self.virtual + self.first.num_remaining_tokens / self.weight

    def put_first_who_has_blocks(self) -> None:
        """Prompts under way before those that wait, which may wait for the very blocks that these hold."""
        _, *others = self.prompts
        under_way = list(takewhile(lambda request: request.state is RequestState.RUNNING, others))
        for request in reversed(under_way):
            self.prompts.move_to_end(request, last=False)


class FairQueue:
    """The accounts of one tier. All is O(1), but for a round: O(log n) a turn, for n tenants with unread prompts."""

    def __init__(self, reserve: float) -> None:
        self._reserve = reserve
        self._now = 0.0
        self._accounts: dict[str, Account] = {}
        self._weight = 0.0  # of tenants with requests
        self._num_prompts = 0
        self._numbers = count()
        self._turns = count()
        self.num_waiting = 0  # requests without blocks
        self._waiting_tokens: dict[str, int] = {}  # theirs, by tenant

    @property
    def waiting(self) -> Iterator[Request]:
        """Requests without blocks, by tenant."""
        for account in self._accounts.values():
            yield from (request for request in account.prompts if request.state is RequestState.WAITING)

    @property
    def num_waiting_tokens(self) -> int:
        """Theirs. For any thread."""
        return sum(self._waiting_tokens.copy().values())

    def enter(self, request: Request) -> None:
        """A new request, the last of its tenant's."""
        account = self._accounts.get(request.claim.tenant)
        if account is None:
            account = self._accounts[request.claim.tenant] = Account(next(self._numbers))
        self._weight += request.claim.weight - (account.weight if account.num_requests else 0.0)
        account.weight = request.claim.weight  # the setting may have changed
        account.num_requests += 1
        self._add(account, request)
        self._count(request, 1)

    def start(self, request: Request) -> None:
        """It gets its blocks now."""
        self._count(request, -1)

    def leave(self, request: Request) -> None:
        """It is about to end, in whatever state it is."""
        account = self._account(request)
        if request.state is RequestState.WAITING:
            self._count(request, -1)
        self._discard(account, request)
        account.num_requests -= 1
        if not account.num_requests:
            self._weight -= account.weight
            if not self._num_prompts:  # all start afresh, so nothing needs to be remembered
                del self._accounts[request.claim.tenant]

    def put_back(self, request: Request) -> None:
        """It has lost its blocks: it is the first of its tenant's to wait again. Who held too much is owed nothing."""
        self.resume(request)
        account = self._account(request)
        account.put_first_who_has_blocks()
        account.virtual = max(account.virtual, self._now)
        self._count(request, 1)

    def resume(self, request: Request) -> None:
        """It is to be read after all, before others of its tenant's."""
        account = self._account(request)
        self._discard(account, request)
        self._add(account, request)
        account.prompts.move_to_end(request, last=False)

    def done(self, request: Request) -> None:
        """Its prompt is read to its end. Harmless when done twice."""
        account = self._account(request)
        if request in account.prompts:
            self._discard(account, request)
            self._settle(account)

    def charge(self, request: Request, num_tokens: int) -> None:
        """So many tokens of it are computed."""
        account = self._account(request)
        account.virtual += num_tokens / account.weight
        self._now += num_tokens / self._weight
        if account.prompts and len(account.prompts) == self._num_prompts and self._is_alone(account):
            account.virtual = max(account.virtual, self._now)  # so it is owed nothing

    def tokens_ahead(self, claim: Claim, num_tokens: int) -> float:
        """How many waiting tokens are read before a new prompt of so many is, at the least. For any thread.

        All of its own tenant's, and of each other one as many as their weights make of these and of its own.
        """
        queued = self._waiting_tokens.copy()
        own = queued.pop(claim.tenant, 0)
        shared = max(0.0, (own + num_tokens) / claim.weight - self._reserve)
        return own + sum(min(tokens, shared * self._weight_of(tenant)) for tenant, tokens in queued.items())

    def round(self) -> Round:
        """The turns of one step."""
        return Round([account for account in self._accounts.values() if account.prompts], self._turns)

    def _account(self, request: Request) -> Account:
        return self._accounts[request.claim.tenant]

    def _is_alone(self, account: Account) -> bool:
        """Whether nobody else has requests. Sums and differences of weights are not exact."""
        return math.isclose(account.weight, self._weight)

    def _weight_of(self, tenant: str) -> float:
        account = self._accounts.get(tenant)
        return 0.0 if account is None else account.weight

    def _count(self, request: Request, sign: int) -> None:
        tenant, tokens = request.claim.tenant, self._waiting_tokens
        self.num_waiting += sign
        tokens[tenant] = tokens.get(tenant, 0) + sign * len(request.token_ids)
        if not tokens[tenant]:
            del tokens[tenant]

    def _add(self, account: Account, request: Request) -> None:
        account.prompts[request] = None
        self._num_prompts += 1
        self._settle(account)

    def _discard(self, account: Account, request: Request) -> None:
        if request not in account.prompts:
            return
        del account.prompts[request]
        self._num_prompts -= 1
        if not self._num_prompts:
            self._now += 2 * self._reserve  # from here, everyone's past lies too far back to count
            self._accounts = {tenant: account for tenant, account in self._accounts.items() if account.num_requests}

    def _settle(self, account: Account) -> None:
        """Before the first prompt is begun, forget what lies too far back."""
        least = self._now - self._reserve / max(1, len(account.prompts))
        account.virtual = min(max(account.virtual, least), self._now + self._reserve)


class Round:
    """Turns by the end of the first prompts; of equals, the one that waits longest for a turn."""

    def __init__(self, accounts: list[Account], turns: Iterator[int]) -> None:
        self._turns = turns
        self._heap = [self._entry(account) for account in accounts if account.head is not None]
        heapq.heapify(self._heap)

    def next(self) -> Account | None:
        """Whose first prompt it is; the same one until it is `served` or `passed`."""
        while self._heap:
            account = self._heap[0][-1]
            if account.head is not None:
                return account
            heapq.heappop(self._heap)
        return None

    def served(self) -> None:
        """What was next has got its tokens."""
        account = heapq.heappop(self._heap)[-1]
        account.last_turn = next(self._turns)
        if account.head is not None:
            heapq.heappush(self._heap, self._entry(account))

    def passed(self) -> None:
        """What was next can get nothing in this round."""
        heapq.heappop(self._heap)

    def _entry(self, account: Account) -> tuple[float, int, int, Account]:
        return account.end, account.last_turn, account.number, account

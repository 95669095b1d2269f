"""How much the server takes on at once, and what each request cost. No HTTP, no engine."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from owngpt.errors import InvalidRequest, Overloaded, RequestError, ResourceUnavailable, ServiceUnavailable
from owngpt.service.accounts import Account, Accounts
from owngpt.service.caller import Caller
from owngpt.service.telemetry import Metrics, RequestRecord
from owngpt.types import ANYONE, Claim, FinishReason, TokenEvent, Usage

MAX_AT_ONCE = 8  # prompts of one request that run at the same time


class Room(NamedTuple):
    """How many choices an engine takes, and how many more it would take now."""

    capacity: int
    remaining: int


class Ticket:
    """One admitted request: counts what it costs, and tells its project's account and the metrics when it ends."""

    def __init__(
        self, operation: str, model: str, num_choices: int, at_once: int = 1, account: Account | None = None
    ) -> None:
        self.at_once = at_once  # prompts that there is room for at the same time
        self._operation = operation
        self._model = model
        self._num_choices = num_choices  # of one prompt
        self._account = account
        self._start = time.monotonic()
        self._first_token: float | None = None
        self.finish_reasons: list[FinishReason] = []  # of the choices that have ended
        self.usage = Usage()

    def expect(self, prompt_tokens: int, completion_tokens: int = 0) -> None:
        """What it will cost at most, as soon as that is known. Raises `TokenLimitReached`."""
        if self._account is not None:
            self._account.reservation.expect(prompt_tokens, completion_tokens)

    def count(self, event: TokenEvent) -> None:
        """Add an event's tokens. A prompt is counted once, however many choices it has."""
        if event.prompt is not None and event.index % self._num_choices == 0:
            info = event.prompt
            self.usage += Usage(
                prompt_tokens=info.num_tokens,
                cached_tokens=info.num_cached_tokens,
                cache_write_tokens=info.num_written_tokens,
            )
        if num_tokens := len(event.token_ids):
            self._first_token = self._first_token or time.monotonic()
            reasoning = num_tokens if event.is_thinking else 0
            self.usage += Usage(completion_tokens=num_tokens, reasoning_tokens=reasoning)
        if event.prediction is not None:
            self.usage += Usage(
                accepted_prediction_tokens=event.prediction.num_accepted,
                rejected_prediction_tokens=event.prediction.num_rejected,
            )
        if event.finish_reason is not None:
            self.finish_reasons.append(event.finish_reason)
        self._note()

    def count_prompt(self, num_tokens: int) -> None:
        """Add tokens that are read and answered with something else than tokens: embeddings."""
        self.usage += Usage(prompt_tokens=num_tokens)
        self._note()

    def settle(self, outcome: str | None = None) -> RequestRecord:
        """It has ended; -> what happened, as the metrics want it."""
        record = self._record(outcome)
        if self._account is not None:
            self._account.settle(self.usage, record.outcome)
        return record

    def _note(self) -> None:
        """From here on it counts, whatever happens to the process."""
        if self._account is not None:
            self._account.tally.count(self.usage)

    def _record(self, outcome: str | None) -> RequestRecord:
        first = None if self._first_token is None else self._first_token - self._start
        seconds = time.monotonic() - self._start
        finish = self.finish_reasons[-1] if self.finish_reasons else FinishReason.STOP
        return RequestRecord(self._operation, self._model, outcome or finish, self.usage, seconds, first)


class Limits:
    """Admits requests while there is room for their choices, and settles each one on any exit.

    Each model's engine has room for `capacity` choices of anybody, and for `reserve` more of those tenants that have
    no more than so many there: nobody who fills the room keeps the others out. Spare tiers fill half of it at most.
    """

    def __init__(self, capacity: int, metrics: Metrics, reserve: int = 0, accounts: Accounts | None = None) -> None:
        self._capacity, self._reserve = capacity, reserve
        self.accounts = accounts  # None: nobody is metered
        self._metrics = metrics
        self._inside: dict[str, Counter[str]] = defaultdict(Counter)  # choices by model and tenant
        self._idle = asyncio.Event()
        self._idle.set()
        self.is_draining = False

    @property
    def room(self) -> Room:
        """Of the fullest model."""
        most = max((inside.total() for inside in self._inside.values()), default=0)
        return Room(self._capacity, max(0, self._capacity - most))

    async def refresh(self, caller: Caller) -> None:
        """To be called before `admit`, which reads no database where this was just done."""
        if self.accounts is not None:
            await self.accounts.refresh(caller)

    def forget(self) -> None:
        """Rate limits or budgets have changed: read them again."""
        if self.accounts is not None:
            self.accounts.rates.forget()
            self.accounts.budgets.forget()

    def check(self, model: str, claim: Claim, caller: Caller) -> None:
        """Raise what `admit` would for one choice now; nothing is taken. For work that has to be done before it."""
        self._check(1, model, claim, self._capacity_for(claim))
        if self.accounts is not None:
            self.accounts.check(caller, model, claim.tier)

    @contextmanager
    def admit(
        self,
        operation: str,
        model: str,
        num_choices: int = 1,
        num_prompts: int = 1,
        claim: Claim = ANYONE,
        *,
        caller: Caller | None = None,
        named: str | None = None,
        request_id: str = "",
    ) -> Iterator[Ticket]:
        """Take room for a request of `num_choices` for each prompt while the context is open.

        The `caller`, who calls the model `named`, must have a budget and be within its rate limits; from here to the
        end of the context the request is metered. Without one it is nobody's.

        Of several prompts only some run at once, so that is what takes room, until all have ended; the ticket says how
        many. So the engine, which has as much room, never refuses a later one.
        Raises `ServiceUnavailable` while draining, `Overloaded` when there is no room, `ResourceUnavailable` when there
        is none to spare, and `InvalidRequest` when there never will be; `InsufficientQuota` and `RateLimitReached`.
        Leaving tells account and metrics how it ended: finished, rejected, failed, or aborted.
        """
        limit = self._capacity_for(claim)
        at_once = max(1, min(num_prompts, MAX_AT_ONCE, limit // num_choices))
        self._check(num_choices * at_once, model, claim, limit)
        account = None
        if caller is not None and self.accounts is not None:
            account = self.accounts.open(caller, operation, model, named, claim.tier, request_id)
        ticket = Ticket(operation, model, num_choices, at_once, account)
        self._metrics.request_started(operation, model)
        self._take(num_choices * at_once, model, claim.tenant)
        outcome: str | None = None
        try:
            yield ticket
        except RequestError as error:
            outcome = "error" if error.status >= 500 else "rejected"
            raise
        except Exception:
            outcome = "error"
            raise
        except BaseException:  # cancelled, or the generator is closed: the caller left
            outcome = "abort"
            raise
        finally:
            self._take(-num_choices * at_once, model, claim.tenant)
            self._metrics.request_finished(ticket.settle(outcome))

    async def drain(self) -> None:
        """Admit nothing more; return when everything that was admitted has ended."""
        self.is_draining = True
        await self._idle.wait()

    def _capacity_for(self, claim: Claim) -> int:
        return max(1, self._capacity // 2) if claim.tier.is_spare else self._capacity

    def _check(self, num_choices: int, model: str, claim: Claim, limit: int) -> None:
        if self.is_draining:
            raise ServiceUnavailable("the server is about to stop; try again in a moment")
        if num_choices > limit:
            raise InvalidRequest(f"n is {num_choices}; this server runs at most {limit} at once", param="n")
        inside, own = self._inside[model].total(), self._inside[model][claim.tenant]
        if inside + num_choices <= limit:
            return
        if claim.tier.is_spare:
            raise ResourceUnavailable(
                f"{inside} generations are in flight, so there is no capacity to spare for service_tier "
                f"'{claim.tier.label}'; send it again later, or with 'default'"
            )
        if own + num_choices > self._reserve or inside + num_choices > self._capacity + self._reserve:
            raise Overloaded(
                f"{inside} generations are in flight; this server takes {self._capacity}. Send it again later."
            )

    def _take(self, num_choices: int, model: str, tenant: str) -> None:
        inside = self._inside[model]
        inside[tenant] += num_choices
        if not inside[tenant]:
            del inside[tenant]
        if any(self._inside.values()):
            self._idle.clear()
        else:
            self._idle.set()

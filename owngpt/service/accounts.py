"""What a request is to its project: something that is metered, takes of its rate limits, and needs a budget."""

from __future__ import annotations

from dataclasses import dataclass

from anyio import to_thread

from owngpt.service.budgets import Budgets
from owngpt.service.caller import Caller
from owngpt.service.metering import Meter, Tally
from owngpt.service.rate_limits import RateLimits, Reservation
from owngpt.store.usage import Kind
from owngpt.types import Tier, Usage


@dataclass(frozen=True, slots=True)
class Account:
    """One admitted request."""

    tally: Tally
    reservation: Reservation

    def settle(self, usage: Usage, outcome: str) -> None:
        """It has ended."""
        self.reservation.settle(usage)
        self.tally.settle(outcome)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Those of all projects."""

    meter: Meter
    rates: RateLimits
    budgets: Budgets

    async def refresh(self, caller: Caller) -> None:
        """Read the caller's limits and budgets where they are not known from memory, in a worker thread."""
        if not (self.rates.is_fresh(caller.project_id) and self.budgets.is_fresh(caller.project_id)):
            await to_thread.run_sync(self._load, caller)

    def open(
        self, caller: Caller, operation: str, model: str, named: str | None, tier: Tier, request_id: str
    ) -> Account:
        """Admit a request to the model, which its caller calls `named`.

        Raises `InsufficientQuota`, `RateLimitReached`, and `ServiceUnavailable` where it could not be metered.
        """
        self.budgets.check(caller)
        tier = tier if caller.tier is None else caller.tier
        reservation = self.rates.admit(caller, model, tier)
        kind: Kind = "embeddings" if operation == "embeddings" else "completions"
        tally = self.meter.open(caller, kind, named or model, names=(model,), tier=tier, request_id=request_id)
        return Account(tally, reservation)

    def check(self, caller: Caller, model: str, tier: Tier) -> None:
        """Raise `InsufficientQuota` and `RateLimitReached` as `open` would now; nothing is taken or metered."""
        self.budgets.check(caller)
        self.rates.check(caller, model, tier if caller.tier is None else caller.tier)

    def _load(self, caller: Caller) -> None:
        self.rates.load(caller.project_id)
        self.budgets.load(caller.organization_id, caller.project_id)

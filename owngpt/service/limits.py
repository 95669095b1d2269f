"""How much the server takes on at once, and what each request cost. No HTTP, no engine."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from owngpt.errors import InvalidRequest, Overloaded, RequestError, ResourceUnavailable, ServiceUnavailable
from owngpt.service.telemetry import Metrics, RequestRecord
from owngpt.types import ANYONE, Claim, FinishReason, TokenEvent, Usage

MAX_AT_ONCE = 8  # prompts of one request that run at the same time


class Room(NamedTuple):
    """How many choices an engine takes, and how many more it would take now."""

    capacity: int
    remaining: int


class Ticket:
    """One admitted request: counts what it costs, and tells the metrics when it ends."""

    def __init__(self, operation: str, model: str, num_choices: int, at_once: int = 1) -> None:
        self.at_once = at_once  # prompts that there is room for at the same time
        self._operation = operation
        self._model = model
        self._num_choices = num_choices  # of one prompt
        self._start = time.monotonic()
        self._first_token: float | None = None
        self.finish_reasons: list[FinishReason] = []  # of the choices that have ended
        self.usage = Usage()

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

    def count_prompt(self, num_tokens: int) -> None:
        """Add tokens that are read and answered with something else than tokens: embeddings."""
        self.usage += Usage(prompt_tokens=num_tokens)

    def record(self, outcome: str | None = None) -> RequestRecord:
        """What happened, as the metrics want it."""
        first = None if self._first_token is None else self._first_token - self._start
        seconds = time.monotonic() - self._start
        finish = self.finish_reasons[-1] if self.finish_reasons else FinishReason.STOP
        return RequestRecord(self._operation, self._model, outcome or finish, self.usage, seconds, first)


class Limits:
    """Admits requests while there is room for their choices, and settles each one on any exit.

    Each model's engine has room for `capacity` choices of anybody, and for `reserve` more of those tenants that have
    no more than so many there: nobody who fills the room keeps the others out. Spare tiers fill half of it at most.
    """

    def __init__(self, capacity: int, metrics: Metrics, reserve: int = 0) -> None:
        self._capacity, self._reserve = capacity, reserve
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

    @contextmanager
    def admit(
        self, operation: str, model: str, num_choices: int = 1, num_prompts: int = 1, claim: Claim = ANYONE
    ) -> Iterator[Ticket]:
        """Take room for a request of `num_choices` for each prompt while the context is open.

        Of several prompts only some run at once, so that is what takes room, until all have ended; the ticket says how
        many. So the engine, which has as much room, never refuses a later one.
        Raises `ServiceUnavailable` while draining, `Overloaded` when there is no room, `ResourceUnavailable` when there
        is none to spare, and `InvalidRequest` when there never will be. Leaving tells the metrics how it ended:
        finished, rejected, failed, or aborted.
        """
        limit = max(1, self._capacity // 2) if claim.tier.is_spare else self._capacity
        at_once = max(1, min(num_prompts, MAX_AT_ONCE, limit // num_choices))
        self._check(num_choices * at_once, model, claim, limit)
        ticket = Ticket(operation, model, num_choices, at_once)
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
            self._metrics.request_finished(ticket.record(outcome))

    async def drain(self) -> None:
        """Admit nothing more; return when everything that was admitted has ended."""
        self.is_draining = True
        await self._idle.wait()

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

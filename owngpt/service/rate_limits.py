"""Requests and tokens per minute and day, for each project and for each model within it. In memory, of this process.

Each limit is a leaky bucket: what is taken drains evenly over the limit's time, so a project that was quiet may take a
whole minute's worth at once, and goes on at the limit's pace. A request takes itself at admission, and its prompt and
`max_tokens` when its prompt is known; at its end what it took is corrected to what it has cost. The limits themselves
are rows in the database (`store/rate_limits.py`), or else the project's in the config file; they are read again after
two seconds. Work of the batch tier counts against its own limit only, as at OpenAI.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, NamedTuple

from owngpt.config import ProjectConfig
from owngpt.errors import RateLimitReached, RequestLimitReached, TokenLimitReached
from owngpt.service.caller import Caller
from owngpt.store.cache import TimedCache
from owngpt.store.rate_limits import ALL_MODELS, ProjectRateLimits, RateLimit
from owngpt.types import Tier, Usage

CACHE_SECONDS = 2.0
_MINUTE, _DAY = 60.0, 86_400.0


class Reading(NamedTuple):
    """A limit as headers tell it: `reset` is in how many seconds nothing of it would be taken."""

    limit: int
    remaining: int
    reset: float


@dataclass(slots=True)
class Readings:
    """The tightest limits that apply to a request; None where there are none."""

    requests: Reading | None = None
    tokens: Reading | None = None


# What the HTTP layer puts here before a request is filled in when the request is admitted.
readings: ContextVar[Readings | None] = ContextVar("readings", default=None)


class _Rule(NamedTuple):
    """One kind of limit."""

    field: str  # of RateLimit
    counts: Literal["requests", "tokens"]
    seconds: float
    label: str
    is_batch: bool = False


_RULES = (
    _Rule("requests_per_minute", "requests", _MINUTE, "requests per min (RPM)"),
    _Rule("requests_per_day", "requests", _DAY, "requests per day (RPD)"),
    _Rule("tokens_per_minute", "tokens", _MINUTE, "tokens per min (TPM)"),
    _Rule("batch_tokens_per_day", "tokens", _DAY, "batch input tokens per day", is_batch=True),
)


class Bucket:
    """What of a limit is taken now."""

    def __init__(self, limit: int, rule: _Rule, scope: str) -> None:
        self.limit, self.rule, self.scope = limit, rule, scope
        self._taken, self._at = 0.0, 0.0

    def read(self, now: float) -> Reading:
        """How it stands."""
        taken = self._drain(now)
        return Reading(self.limit, max(0, math.floor(self.limit - taken + 1e-6)), self._seconds(taken))

    def wait(self, amount: float, now: float) -> float:
        """Seconds until so much is free; 0: it is now; infinity: it never will be."""
        if amount > self.limit:
            return math.inf
        return self._seconds(max(0.0, self._drain(now) + amount - self.limit - 1e-6))

    def take(self, amount: float, now: float) -> None:
        """Also more than is free, which is paid back; below 0: give back."""
        self._taken = max(0.0, self._drain(now) + amount)

    def _drain(self, now: float) -> float:
        self._taken = max(0.0, self._taken - (now - self._at) * self.limit / self.rule.seconds)
        self._at = now
        return self._taken

    def _seconds(self, amount: float) -> float:
        return amount * self.rule.seconds / self.limit if self.limit else 0.0


class Reservation:
    """What one request has taken of the limits that apply to it."""

    def __init__(self, buckets: list[Bucket], organization_id: str, model: str, clock: Callable[[], float]) -> None:
        self._requests = [bucket for bucket in buckets if bucket.rule.counts == "requests"]
        self._tokens = [bucket for bucket in buckets if bucket.rule.counts == "tokens"]
        self._organization_id, self._model, self._clock = organization_id, model, clock
        self._taken: Mapping[Bucket, int] = {}

    def check(self) -> None:
        """Raise `RequestLimitReached`, and `TokenLimitReached` where no token is free; nothing is taken."""
        now = self._clock()
        self._show(now)
        self._check(self._requests, 1, now)
        self._check(self._tokens, 1, now)

    def admit(self) -> None:
        """Take one request. Raises as `check` does."""
        self.check()
        now = self._clock()
        for bucket in self._requests:
            bucket.take(1, now)
        self._show(now)

    def expect(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Take the tokens that it will cost at most. Raises `TokenLimitReached`; then it has taken none."""
        now = self._clock()
        amounts = {bucket: self._amount(bucket, prompt_tokens, completion_tokens) for bucket in self._tokens}
        for bucket, amount in amounts.items():
            self._check([bucket], amount, now)
        for bucket, amount in amounts.items():
            bucket.take(amount, now)
        self._taken = amounts
        self._show(now)

    def settle(self, usage: Usage) -> None:
        """What it has cost in truth."""
        now = self._clock()
        for bucket in self._tokens:
            amount = self._amount(bucket, usage.prompt_tokens, usage.completion_tokens)
            bucket.take(amount - self._taken.get(bucket, 0), now)

    def _amount(self, bucket: Bucket, prompt_tokens: int, completion_tokens: int) -> int:
        return prompt_tokens if bucket.rule.is_batch else prompt_tokens + completion_tokens

    def _check(self, buckets: list[Bucket], amount: int, now: float) -> None:
        for bucket in buckets:
            wait = bucket.wait(amount, now)
            if wait > 0:
                raise _refusal(bucket, amount, wait, self._model, self._organization_id, now)

    def _show(self, now: float) -> None:
        """For the headers of the answer, if there will be any."""
        shown = readings.get()
        if shown is not None:
            shown.requests, shown.tokens = _tightest(self._requests, now), _tightest(self._tokens, now)


class RateLimits:
    """The limits of all projects. Used by one event loop; `load` by any thread."""

    def __init__(
        self,
        store: ProjectRateLimits,
        projects: Mapping[str, ProjectConfig] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._projects, self._clock = store, projects or {}, clock
        self._rows: TimedCache[str, dict[str, RateLimit]] = TimedCache(CACHE_SECONDS, max_size=4096, clock=clock)
        self._buckets: dict[tuple[str, str, str], Bucket] = {}

    def is_fresh(self, project_id: str) -> bool:
        """Whether `admit` need not read the database."""
        return self._rows.get(project_id) is not None

    def load(self, project_id: str) -> dict[str, RateLimit]:
        """Read the project's limits, by model."""
        return self._rows.fill(project_id, lambda: self._store.of_project(project_id)) or {}

    def forget(self) -> None:
        """They have changed."""
        self._rows.clear()

    def limit_of(
        self, project_name: str, project_id: str, model: str, rows: Mapping[str, RateLimit] | None = None
    ) -> RateLimit:
        """What holds for a model, or for ALL_MODELS together: the row, or else the config file's."""
        known = self._rows.get(project_id) if rows is None else rows
        row = (self.load(project_id) if known is None else known).get(model)
        if row is not None:
            return row
        if model == ALL_MODELS and project_name in self._projects:
            return RateLimit.of_config(project_id, self._projects[project_name])
        return RateLimit(project_id, model)

    def admit(self, caller: Caller, model: str, tier: Tier) -> Reservation:
        """Take a request of what applies to it. Raises `RequestLimitReached` and `TokenLimitReached`."""
        reservation = self._reservation(caller, model, tier)
        reservation.admit()
        return reservation

    def check(self, caller: Caller, model: str, tier: Tier) -> None:
        """Raise what `admit` would; nothing is taken."""
        self._reservation(caller, model, tier).check()

    def _reservation(self, caller: Caller, model: str, tier: Tier) -> Reservation:
        buckets = list(self._applying(caller, model, is_batch=tier is Tier.BATCH))
        return Reservation(buckets, caller.organization_id, model, self._clock)

    def _applying(self, caller: Caller, model: str, *, is_batch: bool) -> Iterator[Bucket]:
        for scope in (model, ALL_MODELS):
            limits = self.limit_of(caller.project_name, caller.project_id, scope)
            for rule in _RULES:
                limit = getattr(limits, rule.field)
                if limit is not None and rule.is_batch == is_batch:
                    yield self._bucket(caller.project_id, scope, rule, limit)

    def _bucket(self, project_id: str, scope: str, rule: _Rule, limit: int) -> Bucket:
        bucket = self._buckets.setdefault((project_id, scope, rule.field), Bucket(limit, rule, scope))
        bucket.limit = limit
        return bucket


def _tightest(buckets: list[Bucket], now: float) -> Reading | None:
    return min((bucket.read(now) for bucket in buckets), key=lambda reading: reading.remaining, default=None)


def _refusal(
    bucket: Bucket, amount: int, wait: float, model: str, organization_id: str, now: float
) -> RateLimitReached:
    """In OpenAI's words."""
    kind = RequestLimitReached if bucket.rule.counts == "requests" else TokenLimitReached
    where = "all models of this project" if bucket.scope == ALL_MODELS else model
    about = f"{where} in organization {organization_id} on {bucket.rule.label}: Limit {bucket.limit}"
    if math.isinf(wait):
        return kind(
            f"Request too large for {about}, Requested {amount}. The input or output tokens must be reduced in order "
            "to run successfully.",
            retry_after=wait,
        )
    used = bucket.limit - bucket.read(now).remaining
    return kind(
        f"Rate limit reached for {about}, Used {used}, Requested {amount}. Please try again in {duration(wait)}.",
        retry_after=wait,
    )


def duration(seconds: float) -> str:
    """As OpenAI's headers say it: `6ms`, `1.2s`, `1m3s`, `2h0m5s`. Rounded up, so that waiting so long is enough."""
    milliseconds = math.ceil(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if not minutes:
        return text
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"

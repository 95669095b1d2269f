"""Counters of one engine. Written by its thread, read by anyone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic

from owngpt.engine.client import EngineStats, TierStats
from owngpt.engine.request import Request
from owngpt.engine.scheduler import Scheduler
from owngpt.engine.speculation import Speculator
from owngpt.types import Tier, TokenEvent


@dataclass
class Counters:
    """Totals since the start."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    steps: int = 0
    step_seconds: float = 0.0
    admitted: dict[Tier, int] = field(default_factory=lambda: dict.fromkeys(Tier, 0))
    wait_seconds: dict[Tier, float] = field(default_factory=lambda: dict.fromkeys(Tier, 0.0))

    def count_admitted(self, requests: Iterable[Request]) -> None:
        """These wait no more."""
        for request in requests:
            self.admitted[request.claim.tier] += 1
            self.wait_seconds[request.claim.tier] += monotonic() - request.arrival

    def count(self, event: TokenEvent) -> None:
        self.generated_tokens += len(event.token_ids)
        if event.prompt is not None:
            self.prompt_tokens += event.prompt.num_tokens
            self.cached_tokens += event.prompt.num_cached_tokens

    def read(self, scheduler: Scheduler, speculator: Speculator) -> EngineStats:
        """Counters and gauges."""
        return EngineStats(
            num_running=len(scheduler.running),
            num_waiting=scheduler.num_waiting,
            num_blocks=scheduler.pool.num_blocks,
            num_free_blocks=scheduler.pool.num_available,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            generated_tokens=self.generated_tokens,
            preemptions=scheduler.num_preemptions,
            steps=self.steps,
            step_seconds=self.step_seconds,
            tiers={
                tier.label: TierStats(scheduler.queues[tier].num_waiting, self.admitted[tier], self.wait_seconds[tier])
                for tier in Tier
            },
            restored_tokens=0 if scheduler.disk is None else scheduler.disk.restored_tokens,
            disk_bytes=0 if scheduler.disk is None else scheduler.disk.num_bytes,
            drafted_tokens=speculator.num_drafted,
            accepted_tokens=speculator.num_accepted,
        )

"""Counters of one engine. Written by its thread, read by anyone."""

from __future__ import annotations

from dataclasses import dataclass

from owngpt.engine.client import EngineStats
from owngpt.engine.scheduler import Scheduler
from owngpt.engine.speculation import Speculator
from owngpt.types import TokenEvent


@dataclass
class Counters:
    """Totals since the start."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    steps: int = 0
    step_seconds: float = 0.0

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
            drafted_tokens=speculator.num_drafted,
            accepted_tokens=speculator.num_accepted,
        )

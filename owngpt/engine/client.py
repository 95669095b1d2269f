"""EngineClient: the seam between the service and compute. No torch here.

Behind it may stand a thread of this process (`engine.core.ThreadEngine`), later an engine on another machine or an
upstream that speaks the OpenAI API. The service cannot tell which; tests put a scripted one here (`tests/fakes.py`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from owngpt.types import ANYONE, Claim, Constraint, SamplingParams, TokenEvent


class TierStats(NamedTuple):
    """Of one tier."""

    num_waiting: int
    num_admitted: int  # counters since the start
    wait_seconds: float  # from arrival to admission, of all that were admitted


@dataclass(frozen=True, slots=True)
class EngineStats:
    """A reading of the engine's counters and gauges, for /metrics and `owngpt bench`."""

    num_running: int
    num_waiting: int
    num_blocks: int
    num_free_blocks: int  # free or only held by the prefix cache
    prompt_tokens: int  # counters since the start
    cached_tokens: int
    generated_tokens: int
    preemptions: int
    steps: int
    step_seconds: float  # total time spent in steps
    restored_tokens: int = 0  # prompt tokens that came back from disk
    disk_bytes: int = 0  # what prefixes take on disk, those of all engines that share it
    drafted_tokens: int = 0  # tokens that were guessed ahead
    accepted_tokens: int = 0  # of these, those that came true
    tiers: Mapping[str, TierStats] = field(default_factory=dict)  # by label


class EngineClient(Protocol):
    """Generates tokens for prompts. Safe to call from any task of one event loop."""

    @property
    def max_model_len(self) -> int:
        """Prompt plus completion, in tokens, that one request may use."""
        ...

    @property
    def is_alive(self) -> bool:
        """False once nothing more can be generated: it has died or is closed."""
        ...

    def submit(
        self,
        prompt: Sequence[int],
        sampling: SamplingParams,
        *,
        constraint: Constraint | None = None,
        namespace: str = "",
        is_durable: bool = True,
        request_id: str = "",
        claim: Claim = ANYONE,
    ) -> AbstractAsyncContextManager[AsyncIterator[TokenEvent]]:
        """Start a generation of `sampling.n` choices; leaving the context aborts what still runs.

        `namespace` is opaque: prefix-cache blocks are shared only inside it, and are written to disk only for requests
        that are durable. On entering, raises
        `InvalidRequest` (prompt too long for the context or the KV memory, constraint that cannot be enforced),
        `Overloaded` (the bounded queue is full) and `ResourceUnavailable` (the claim's deadline cannot be met; it comes
        from the iterator if that turns out while the request waits). The iterator ends after each choice has had its
        `finish_reason`; if the engine dies, it raises `EngineFailed`. End tokens and stop tokens end a choice and are
        not delivered, so they are not counted either.
        """
        ...

    def stats(self) -> EngineStats:
        """Counters and gauges now."""
        ...

    async def drain(self) -> None:
        """Accept nothing new; return when all running requests have ended."""
        ...

    def close(self) -> None:
        """Abort what runs, stop the thread, free the memory. Idempotent."""
        ...


class EmbedderClient(Protocol):
    """Turns texts into vectors."""

    @property
    def dimensions(self) -> int: ...

    @property
    def max_input_tokens(self) -> int: ...

    async def embed(self, inputs: Sequence[Sequence[int]]) -> list[list[float]]:
        """One unit-length vector per input of token ids (special tokens included), in order; any number of inputs."""
        ...

    def close(self) -> None: ...

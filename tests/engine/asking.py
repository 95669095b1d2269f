"""Asking an engine as a service does, and a gate to hold it still."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from owngpt.config import EngineConfig
from owngpt.engine.core import ThreadEngine
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import ANYONE, Claim, FinishReason, SamplingParams, TokenEvent


@contextmanager
def engine(model: Any, tokenizer: Tokenizer, **config: Any) -> Iterator[ThreadEngine]:
    config = {"kv_memory": 2**20, "block_size": 4, "max_batch_tokens": 64} | config
    opened = ThreadEngine(model, tokenizer, EngineConfig(**config))
    try:
        yield opened
        opened._core.scheduler.check_integrity()
    finally:
        opened.close()


@dataclass
class Answer:
    events: list[TokenEvent]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events)

    @property
    def token_ids(self) -> list[int]:
        return [i for event in self.events for i in event.token_ids]

    @property
    def finish_reason(self) -> FinishReason | None:
        return self.events[-1].finish_reason


async def ask(
    engine: ThreadEngine,
    prompt: Sequence[int] | str,
    *,
    constraint: Any = None,
    namespace: str = "",
    claim: Claim = ANYONE,
    **sampling: Any,
) -> list[Answer]:
    """Submit and read to the end; one answer per choice."""
    ids = list(prompt.encode() if isinstance(prompt, str) else prompt)
    params = SamplingParams(**({"temperature": 0.0, "max_tokens": 20} | sampling))
    events: list[list[TokenEvent]] = [[] for _ in range(params.n)]
    async with engine.submit(ids, params, constraint=constraint, namespace=namespace, claim=claim) as stream:
        async for event in stream:
            events[event.index].append(event)
    return [Answer(each) for each in events]


async def settle(engine: ThreadEngine) -> None:
    """Wait until the thread has nothing to do."""
    for _ in range(500):
        stats = engine.stats()
        if not stats.num_running and not stats.num_waiting:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"the engine is still busy: {engine.stats()}")


class Gate:
    """Lets the model make one forward at a time."""

    def __init__(self) -> None:
        self._permits = threading.Semaphore(0)
        self.num_waits = 0

    def wait(self) -> None:
        self.num_waits += 1
        assert self._permits.acquire(timeout=10)

    def open(self, times: int = 1) -> None:
        self._permits.release(times)

"""A model as `owngpt serve` loads it, asked from this process by token ids, with the time of every piece that comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

from owngpt.build import load_models
from owngpt.config import EngineConfig, Settings
from owngpt.service.models import ServedModel
from owngpt.types import Constraint, SamplingParams, TokenEvent

KV_MEMORY = 3 * 1024**3
GREEDY = SamplingParams(temperature=0)


@dataclass
class Heard:
    """An answer as its client saw it."""

    start: float = field(default_factory=perf_counter)
    token_ids: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)  # of the pieces, from the start
    num_cached_tokens: int = 0

    def take(self, event: TokenEvent) -> None:
        """One more piece."""
        if event.error is not None:
            raise RuntimeError(event.error)
        if event.prompt is not None:
            self.num_cached_tokens = event.prompt.num_cached_tokens
        if event.token_ids:
            self.token_ids += event.token_ids
            self.times.append(perf_counter() - self.start)

    @property
    def seconds_per_token(self) -> float:
        """Of those that come after the first piece, however many that had."""
        return (self.times[-1] - self.times[0]) / (len(self.token_ids) - 1)


@contextmanager
def served(folder: Path, data_dir: Path, config: EngineConfig) -> Iterator[ServedModel]:
    """The model with its engine; what is quantized is kept under `data_dir`."""
    config = replace(config, kv_memory=KV_MEMORY)
    models = load_models(Settings(models=(str(folder),), data_dir=data_dir, engine=config))
    model = models.generator(None)
    try:
        yield model
    finally:
        model.engine.close()


async def ask(
    model: ServedModel,
    prompt: Sequence[int],
    max_tokens: int,
    *,
    sampling: SamplingParams = GREEDY,
    constraint: Constraint | None = None,
    heard: Heard | None = None,
) -> Heard:
    """The whole answer, exactly `max_tokens` long where no constraint ends it. `heard` grows while it comes."""
    heard = Heard() if heard is None else heard
    wanted = replace(sampling, max_tokens=max_tokens, ignore_eos=True)
    async with model.engine.submit(prompt, wanted, constraint=constraint, namespace="benchmark") as events:
        async for event in events:
            heard.take(event)
    return heard

"""The reader's training: one task after the other, in the shares of a mixture; resumable to the step.

Which task a step has, and with which examples, follows from the seed and the steps before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch

from owngpt.training.reader.batches import batches
from owngpt.training.reader.checkpoint import ReaderState, load_checkpoint, save_checkpoint
from owngpt.training.reader.optim import ReaderOptimConfig, ReaderOptimizer
from owngpt.training.reader.task import Models, Task

Progress = Callable[[str], None]
Mixture = Mapping[str, float]  # task -> share of the steps
ALIGN: Mixture = {"translate": 0.6, "alike": 0.1, "check_ja": 0.1, "answer_en": 0.15, "find_ja": 0.05}
READ: Mixture = {
    "translate": 0.12,
    "alike": 0.04,
    "find_ja": 0.12,
    "find_en": 0.06,
    "answer_ja": 0.34,
    "answer_en": 0.14,
    "check_ja": 0.07,
    "check_en": 0.11,
}


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """How long, and of what."""

    num_steps: int
    align_steps: int = 200  # at first, mostly translations
    batch_tokens: int = 2048
    warmup: int = 40
    decay_share: float = 0.3
    save_seconds: float = 60.0
    align: Mixture = field(default_factory=lambda: ALIGN)
    read: Mixture = field(default_factory=lambda: READ)
    optim: ReaderOptimConfig = field(default_factory=ReaderOptimConfig)
    seed: int = 0

    def factor(self, step: int) -> float:
        """Of the learning rates at a step: up over `warmup`, level, straight down over the last `decay_share`."""
        falling = (self.num_steps - step) / max(1.0, self.num_steps * self.decay_share)
        return min(1.0, (step + 1) / self.warmup, falling)

    @property
    def settings(self) -> dict[str, Any]:
        """What a resumed run must share with the first part.

        What is learned next may change, and the length while the rate is level.
        """
        return asdict(self) | {"num_steps": None, "save_seconds": None, "align": None, "read": None}

    def task_of(self, step: int) -> str:
        """Drawn by the shares."""
        mixture = self.align if step < self.align_steps else self.read
        return Random(f"{self.seed}-{step}").choices(list(mixture), list(mixture.values()))[0]


class ReaderTrainer:
    """One run. `out` keeps the checkpoint; if it has one, the run goes on from there."""

    def __init__(
        self,
        models: Models,
        tasks: Mapping[str, Task],
        rows: torch.Tensor,
        config: ReaderConfig,
        out: Path,
        progress: Progress = print,
    ) -> None:
        self.models, self.tasks, self.config, self.out, self.progress = models, tasks, config, out, progress
        self.optimizer = ReaderOptimizer(models.reader, config.optim, rows)
        self.state = ReaderState(settings=config.settings)
        if loaded := load_checkpoint(out, config.settings):
            self.state, tensors = loaded
            self.optimizer.load_state_dict(tensors)
            progress(f"going on from step {self.state.step}")
        self.batches = {name: self._batches(name) for name in tasks}
        self.recent: dict[str, float] = {}

    def run(self) -> ReaderState:
        """Train to the end, with a checkpoint every `save_seconds`."""
        saved = time.monotonic()
        while self.state.step < self.config.num_steps:
            self._step()
            if self.state.step == self.config.num_steps or time.monotonic() - saved > self.config.save_seconds:
                save_checkpoint(self.out, self.state, self.optimizer.state_dict())
                saved = time.monotonic()
        return self.state

    def _step(self) -> None:
        step, start, cpu_start = self.state.step, time.monotonic(), time.process_time()
        name = self.config.task_of(step)
        numbers = next(self.batches[name])
        loss = self.tasks[name].loss(self.models, numbers, Random(f"{self.config.seed}-{step}-{name}"))
        loss.backward()  # type: ignore[no-untyped-call]
        norm = self.optimizer.step(self.config.factor(step))
        self.state.step += 1
        self.state.losses.append((name, loss.item()))
        self.state.tokens += sum(self.tasks[name].lengths[n] for n in numbers)
        self.state.seconds += time.monotonic() - start
        self.state.cpu_seconds += time.process_time() - cpu_start
        self.recent[name] = 0.9 * self.recent.get(name, loss.item()) + 0.1 * loss.item()
        self._report(norm)

    def _batches(self, name: str) -> Iterator[list[int]]:
        """The batches of a task, behind those that were used before."""
        found = batches(self.tasks[name].lengths, self.config.batch_tokens, f"{self.config.seed}-{name}")
        for _ in range(sum(task == name for task, _ in self.state.losses)):
            next(found)
        return found

    def _report(self, norm: float) -> None:
        step, last = self.state.step, self.config.num_steps
        if step % 20 == 0 or step == last:
            rest = (last - step) * self.state.seconds / step
            losses = "  ".join(f"{name} {value:.3f}" for name, value in sorted(self.recent.items()))
            speed = self.state.tokens / self.state.seconds
            self.progress(
                f"step {step}/{last}  {losses}  norm {norm:.1f}  {speed:.0f} tokens/s  ETA {rest / 60:.1f} min"
            )

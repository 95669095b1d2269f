"""The training loop: read a batch, accumulate gradients, step; now and then measure and save.

A run is a number of steps over two files of tokens: `stable` while the learning rate is level, then `decay`, in longer
rows, while it falls. A step knows its tokens from its number alone, so a run goes on exactly where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from owngpt.model.transformer import Transformer
from owngpt.training.checkpoint import RunState, load_checkpoint, save_checkpoint
from owngpt.training.evaluate import bits_per_byte, forward_rows, output_head
from owngpt.training.loss import next_token_loss
from owngpt.training.optim import OptimConfig, Optimizer, Schedule
from owngpt.training.shards import Phase, Tokens

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One dial, `num_tokens`; the rest has defaults that suit a small model on a CPU."""

    num_tokens: int
    decay_share: float = 0.2  # of the steps
    context: int = 512
    decay_context: int = 2048
    batch_tokens: int = 2048  # per step
    micro_tokens: int = 2048  # per forward and backward pass
    warmup: int = 40  # steps
    eval_every: int = 500
    save_every: int = 100
    optim: OptimConfig = field(default_factory=OptimConfig)

    @property
    def schedule(self) -> Schedule:
        num_steps = max(2, self.num_tokens // self.batch_tokens)
        return Schedule(num_steps, self.warmup, max(1, round(num_steps * self.decay_share)))

    @property
    def phase_tokens(self) -> dict[Phase, int]:
        """Tokens that each phase reads; one more than a multiple of the batch, since targets are shifted by one."""
        schedule = self.schedule
        return {
            "stable": (schedule.num_steps - schedule.decay) * self.batch_tokens + 1,
            "decay": schedule.decay * self.batch_tokens + 1,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """What a resumed run must share with the first part. The length may change while the rate is level."""
        return asdict(self) | {"num_tokens": None, "eval_every": None, "save_every": None}


@dataclass(frozen=True, slots=True)
class TrainData:
    """Token files, and the bytes that each token stands for."""

    phases: dict[Phase, Tokens]
    held_out: dict[str, Tokens]
    sizes_V: Tensor


class Trainer:
    """One run of one model. `out` keeps the checkpoint; if it has one, the run goes on from there."""

    def __init__(
        self, model: Transformer, config: TrainConfig, data: TrainData, out: Path, progress: Progress = print
    ) -> None:
        self.model, self.config, self.data, self.out, self.progress = model, config, data, out, progress
        self.schedule = config.schedule
        self.optimizer = Optimizer(model, config.optim)
        self.state = RunState(settings=config.settings)
        if loaded := load_checkpoint(out, config.settings):
            self.state, tensors = loaded
            self.optimizer.load_state_dict(tensors)
            progress(f"going on from step {self.state.step}")

    def run(self) -> RunState:
        """Train to the end; -> the losses and measurements of the whole run."""
        while self.state.step < self.schedule.num_steps:
            self._step()
            is_last = self.state.step == self.schedule.num_steps
            if is_last or self.state.step % self.config.eval_every == 0:
                self._evaluate()
            if is_last or self.state.step % self.config.save_every == 0:
                save_checkpoint(self.out, self.state, self.optimizer.state_dict())
        return self.state

    def _step(self) -> None:
        step, start, cpu_start = self.state.step, time.monotonic(), time.process_time()
        losses = []
        for inputs_T, targets_T, num_rows in self._micro_batches(step):
            hidden_TE = forward_rows(self.model, inputs_T, num_rows)
            loss = next_token_loss(hidden_TE, output_head(self.model), targets_T)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.accumulate()
            losses.append(loss.item())
        norm = self.optimizer.step(self.schedule.factor(step), num_backward=len(losses))
        self.state.step += 1
        self.state.losses.append(sum(losses) / len(losses))
        self.state.seconds += time.monotonic() - start
        self.state.cpu_seconds += time.process_time() - cpu_start
        self._report(norm, time.monotonic() - start)

    def _micro_batches(self, step: int) -> Iterator[tuple[Tensor, Tensor, int]]:
        """(inputs, targets, number of rows) of each pass of a step."""
        first_decay = self.schedule.num_steps - self.schedule.decay
        phase: Phase = "stable" if step < first_decay else "decay"
        context = self.config.context if phase == "stable" else self.config.decay_context
        start = (step if phase == "stable" else step - first_decay) * self.config.batch_tokens
        for offset in range(start, start + self.config.batch_tokens, self.config.micro_tokens):
            chunk = self.data.phases[phase][offset : offset + self.config.micro_tokens + 1]
            tokens = torch.from_numpy(chunk.astype(np.int64))
            yield tokens[:-1], tokens[1:], max(1, self.config.micro_tokens // context)

    def _evaluate(self) -> None:
        measured = {
            kind: bits_per_byte(self.model, tokens, self.data.sizes_V, self.config.context)
            for kind, tokens in self.data.held_out.items()
        }
        self.state.evaluations.append({"step": self.state.step, **measured})
        self.progress("bits per byte  " + "  ".join(f"{kind} {value:.3f}" for kind, value in measured.items()))

    def _report(self, norm: float, seconds: float) -> None:
        step, last = self.state.step, self.schedule.num_steps
        if step % 10 == 0 or step == last:
            remaining = (last - step) * self.state.seconds / step
            self.progress(
                f"step {step}/{last}  loss {sum(self.state.losses[-10:]) / len(self.state.losses[-10:]):.3f}  "
                f"norm {norm:.2f}  {self.config.batch_tokens / seconds:.0f} tokens/s  ETA {remaining / 60:.1f} min"
            )

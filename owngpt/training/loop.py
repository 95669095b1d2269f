"""The training loop: read a batch, accumulate gradients, step; now and then measure and save.

A step is a place in the plan (`plan.py`), which knows its tokens, so a run goes on exactly where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from owngpt.errors import CheckpointError
from owngpt.model.transformer import Transformer
from owngpt.training.average import WeightAverage
from owngpt.training.checkpoint import CHECKPOINT, LEVEL, RunState, load_checkpoint, save_checkpoint
from owngpt.training.distributed import ALONE, Place, forget_whole
from owngpt.training.evaluate import bits_per_byte, forward_rows, output_head
from owngpt.training.loss import next_token_loss
from owngpt.training.metrics import write_metrics
from owngpt.training.optim import Optimizer
from owngpt.training.plan import Step, TrainConfig, plan_steps
from owngpt.training.shards import Phase, Tokens

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainData:
    """Token files, the bytes that each token stands for, and the token that ends a document."""

    phases: dict[Phase, Tokens]
    held_out: dict[str, Tokens]
    sizes_V: Tensor
    end_of_text: int


class Trainer:
    """One run of one model. `out` keeps the checkpoint; if it has one, the run goes on from there.

    `limits`: tokens per second of each phase that the machine can at most do; progress says what share of it was done.
    With several processes at `place`, each has this object, reads its share of every step, and the first one reports.
    """

    def __init__(
        self,
        model: Transformer,
        config: TrainConfig,
        data: TrainData,
        out: Path,
        progress: Progress = print,
        *,
        limits: Mapping[Phase, float] | None = None,
        place: Place = ALONE,
    ) -> None:
        self.model, self.config, self.data, self.out = model, config, data, out
        self.progress = progress if place.is_first else _silent
        self.steps = plan_steps(config)
        self.num_level = sum(step.phase == "stable" for step in self.steps)
        self.limits, self.place = limits or {}, place
        self.optimizer = Optimizer(model, config.optim, place)
        self.average = WeightAverage(model, config.average)
        self.state = RunState(config.settings, config.num_tokens, self.num_level)
        self._resume()
        self._saved = self._reported = time.monotonic()

    def run(self) -> RunState:
        """Train to the end; -> the losses and measurements of the whole run."""
        for step in self.steps[self.state.step :]:
            is_due = self._step(step)
            is_last = self.state.step == len(self.steps)
            if is_last or self.state.step == self.num_level or self._crosses(self.config.eval_every, step):
                self._evaluate()
            if self.state.step == self.num_level:
                self._save(LEVEL)
            if is_last or is_due:
                self._save(CHECKPOINT)
        return self.state

    def best_weights(self) -> dict[str, Tensor]:
        """The weights or their average, whole and in float32: whichever had fewer bits per byte in the end."""
        last = self.state.evaluations[-1] if self.state.evaluations else {}
        is_average = sum(last[f"average.{kind}"] - last[kind] for kind in self.data.held_out) < 0
        self.progress(f"the model is {'the average of the weights' if is_average else 'the last weights'}")
        return self.average.whole() if is_average else self.optimizer.whole_masters()

    def _step(self, step: Step) -> bool:
        """Move the weights once; -> whether it is time for a checkpoint."""
        start, cpu_start = time.monotonic(), time.process_time()
        losses = [self._backward(*batch) for batch in self._micro_batches(step)]
        norm = self.optimizer.step(step.rate, num_backward=len(losses))
        state = self.state
        state.step, state.tokens = state.step + 1, state.tokens + step.num_tokens
        self.average.update(self.optimizer.masters, step.num_tokens, state.tokens)
        seconds = time.monotonic() - start
        state.seconds += seconds
        state.cpu_seconds += time.process_time() - cpu_start
        loss, is_due = self._agreed(torch.stack(losses).mean())
        state.rows.append([state.step, state.tokens, step.rate, loss, norm, step.num_tokens / seconds])
        self._report()
        return is_due

    def _agreed(self, loss: Tensor) -> tuple[float, bool]:
        """The mean loss of all processes, and whether the first one's clock asks for a checkpoint."""
        is_due = self.place.is_first and time.monotonic() - self._saved >= self.config.save_seconds
        both = self.place.total(torch.stack((loss.double(), loss.new_tensor(is_due, dtype=torch.float64))))
        return float(both[0]) / self.place.num_processes, bool(both[1])

    def _backward(self, inputs_T: Tensor, targets_T: Tensor, num_rows: int) -> Tensor:
        """Add the gradients of one pass; -> its loss."""
        end_of_text = self.data.end_of_text if self.config.is_masked else None
        hidden_TE = forward_rows(self.model, inputs_T, num_rows, end_of_text)
        loss = next_token_loss(hidden_TE, output_head(self.model), targets_T, self.config.z_loss)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.accumulate()
        return loss.detach()

    def _micro_batches(self, step: Step) -> Iterator[tuple[Tensor, Tensor, int]]:
        """(inputs, targets, number of rows) of each pass of a step: those that this process makes."""
        context = self.config.context if step.phase == "stable" else self.config.decay_context
        share = step.num_tokens // self.place.num_processes
        first = step.start + self.place.rank * share
        for offset in range(first, first + share, self.config.micro_tokens):
            end = min(first + share, offset + self.config.micro_tokens)
            chunk = self.data.phases[step.phase][offset : end + 1]
            tokens = torch.from_numpy(chunk.astype(np.int64)).to(self.model.device)
            yield tokens[:-1], tokens[1:], max(1, (end - offset) // context)

    def _resume(self) -> None:
        """Go on from the last checkpoint; for a run that is prolonged too late, from where its rate began to fall."""
        settings = self.config.settings
        found = [load_checkpoint(self.out, settings, name) for name in (CHECKPOINT, LEVEL)]
        fitting = [loaded for loaded in found if loaded and self._is_on_the_way(loaded[0])]
        if not fitting:
            if seen := found[0]:
                raise CheckpointError(
                    f"the run in {self.out} has seen {seen[0].tokens} tokens at a level learning rate, more than "
                    f"tokens={self.config.num_tokens} allows; use {seen[0].num_tokens}, or more, or another --out"
                )
            return
        self.state, tensors = fitting[0]
        self.state.num_tokens, self.state.num_level = self.config.num_tokens, self.num_level
        self.optimizer.load_state_dict(tensors)
        self.average.load_state_dict(tensors)
        self.progress(f"going on from step {self.state.step}")

    def _is_on_the_way(self, state: RunState) -> bool:
        """Whether this run would pass through that state."""
        is_same = state.num_tokens == self.config.num_tokens
        return is_same or state.step <= min(state.num_level, self.num_level)

    def _save(self, name: str) -> None:
        tensors = self.optimizer.state_dict() | self.average.state_dict()
        if self.place.is_first:
            save_checkpoint(self.out, self.state, tensors, name)
            write_metrics(self.out, self.state)
        self._saved = time.monotonic()

    def _crosses(self, every: int, step: Step) -> bool:
        return self.state.tokens // every > (self.state.tokens - step.num_tokens) // every

    def _evaluate(self) -> None:
        raw = self._measure()
        with self.average.in_use():
            average = self._measure()
        numbers = raw | {f"average.{kind}": value for kind, value in average.items()}
        self.state.evaluations.append({"step": self.state.step, "tokens": self.state.tokens, **numbers})
        self.progress("bits per byte  " + "  ".join(f"{kind} {value:.3f}" for kind, value in numbers.items()))

    def _measure(self) -> dict[str, float]:
        data, end_of_text = self.data, self.data.end_of_text if self.config.is_masked else None
        measured = {
            kind: bits_per_byte(self.model, tokens, data.sizes_V, self.config.context, end_of_text)
            for kind, tokens in data.held_out.items()
        }
        forget_whole(self.model)
        return measured

    def _report(self) -> None:
        """One line every few seconds, and for the first and the last step."""
        is_edge = self.state.step in (1, len(self.steps))
        if not is_edge and time.monotonic() - self._reported < self.config.report_seconds:
            return
        self._reported = time.monotonic()
        recent = self.state.rows[-10:]
        loss, speed = (sum(row[column] for row in recent) / len(recent) for column in (3, 5))
        limit = self.limits.get(self.steps[self.state.step - 1].phase)
        share = f" ({speed / limit:.0%} of the machine's rate)" if limit else ""
        remaining = (sum(step.num_tokens for step in self.steps) - self.state.tokens) / speed
        self.progress(
            f"step {self.state.step}/{len(self.steps)}  loss {loss:.3f}  norm {recent[-1][4]:.2f}  "
            f"{speed:.0f} tokens/s{share}  ETA {remaining / 60:.1f} min"
        )


def _silent(line: str) -> None:
    """The progress of all processes but the first."""

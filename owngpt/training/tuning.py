"""What all kinds of tuning share: steps, learning rate, measurements, checkpoints, and the folder in the end.

An `Objective` knows what is learned; the `Tuner` moves the weights and can stop at any moment. Steps follow from their
number, so a run that was killed goes on bit for bit on the same number of threads.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from safetensors.torch import save_file
from torch import Tensor

from owngpt.errors import SetupError
from owngpt.model.config import ModelConfig
from owngpt.model.transformer import Transformer
from owngpt.model.values import read_json
from owngpt.model.weights import load_model
from owngpt.training.checkpoint import CHECKPOINT, RunState, load_checkpoint, save_checkpoint
from owngpt.training.dial import WIDTH_OF_RATES
from owngpt.training.metrics import write_metrics, write_report
from owngpt.training.optim import OptimConfig, Optimizer

Progress = Callable[[str], None]
FILES: tuple[str, ...] = (
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "chat_template*",
    "special_tokens_map.json",
)
FILES += ("added_tokens.json", "vocab*", "merges.txt")


@dataclass(frozen=True, slots=True)
class TuneConfig:
    """How far and how fast. `rate` is relative to the learning rates of pretraining."""

    num_steps: int
    rate: float
    warmup_share: float = 0.03  # of the steps: the rate rises, then falls straight to zero
    eval_every: int = 50  # steps
    pass_tokens: int = 4096  # per forward and backward pass
    save_seconds: float = 45.0
    save_at: int = 1  # a checkpoint falls on multiples of this, in steps
    report_seconds: float = 5.0
    seed: int = 0

    @property
    def settings(self) -> dict[str, Any]:
        """What a resumed run must share with the first part."""
        return asdict(self) | {"eval_every": None, "save_seconds": None, "report_seconds": None}

    def rate_at(self, step: int) -> float:
        """What learning rates are multiplied by, for step 0 and on."""
        rise = (step + 1) / max(1.0, self.warmup_share * self.num_steps)
        return self.rate * min(rise, 1.0, 1 - step / self.num_steps)


class Taken(NamedTuple):
    """What one step saw: its loss, tokens, and numbers to report of every step."""

    loss: float
    num_tokens: int
    numbers: Mapping[str, float] = {}


class Objective(Protocol):
    """What is learned."""

    def take(self, step: int, accumulate: Callable[[], None]) -> Taken:
        """Add the gradients of a step; `accumulate` is called after each backward pass, whose losses add up."""
        ...

    def measure(self) -> dict[str, float]:
        """Numbers of held-out data."""
        ...


class Tuner:
    """One run of one objective. `out` keeps the checkpoint; if it has one, the run goes on from there."""

    def __init__(
        self,
        model: Transformer,
        objective: Objective,
        config: TuneConfig,
        out: Path,
        progress: Progress = print,
        *,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.objective, self.config, self.out, self.progress = objective, config, out, progress
        self.optimizer = Optimizer(model, _rates(model.config))
        self.state = RunState(config.settings | dict(settings or {}))
        if loaded := load_checkpoint(out, self.state.settings):
            self.state, tensors = loaded
            self.optimizer.load_state_dict(tensors)
            progress(f"going on from step {self.state.step}")
        self._saved = self._reported = time.monotonic()

    def run(self) -> dict[str, Tensor]:
        """Train to the end; -> the weights in float32."""
        if not self.state.evaluations:
            self._measure()
        while self.state.step < self.config.num_steps:
            self._step()
            is_last = self.state.step == self.config.num_steps
            is_due = time.monotonic() - self._saved >= self.config.save_seconds
            if is_last or self.state.step % self.config.eval_every == 0:
                self._measure()
            if is_last or (is_due and self.state.step % self.config.save_at == 0):
                self._save()
        write_report(self.out, self.state, 1)
        return self.optimizer.masters

    def _step(self) -> None:
        start, cpu_start, state = time.monotonic(), time.process_time(), self.state
        rate = self.config.rate_at(state.step)
        taken = self.objective.take(state.step, self.optimizer.accumulate)
        norm = self.optimizer.step(rate, num_backward=1)
        seconds = time.monotonic() - start
        state.step, state.tokens = state.step + 1, state.tokens + taken.num_tokens
        state.seconds += seconds
        state.cpu_seconds += time.process_time() - cpu_start
        state.rows.append([state.step, state.tokens, rate, taken.loss, norm, taken.num_tokens / seconds])
        if taken.numbers:
            state.evaluations.append({"step": state.step, "tokens": state.tokens, **taken.numbers})
        self._report(taken)

    def _measure(self) -> None:
        numbers = self.objective.measure()
        self.state.evaluations.append({"step": self.state.step, "tokens": self.state.tokens, **numbers})
        self.progress("held out  " + _shown(numbers))

    def _save(self) -> None:
        save_checkpoint(self.out, self.state, self.optimizer.state_dict(), CHECKPOINT)
        write_metrics(self.out, self.state)
        self._saved = time.monotonic()

    def _report(self, taken: Taken) -> None:
        """One line every few seconds, and for the first and the last step."""
        step, num_steps = self.state.step, self.config.num_steps
        if step not in (1, num_steps) and time.monotonic() - self._reported < self.config.report_seconds:
            return
        self._reported = time.monotonic()
        recent = self.state.rows[-10:]
        loss, speed = (sum(row[column] for row in recent) / len(recent) for column in (3, 5))
        minutes = (num_steps - step) * self.state.seconds / step / 60
        self.progress(
            f"step {step}/{num_steps}  loss {loss:.3f}  {_shown(taken.numbers)}{'  ' if taken.numbers else ''}"
            f"{speed:.0f} tokens/s  ETA {minutes:.1f} min"
        )


def load_for_tuning(folder: Path, dtype: torch.dtype, device: torch.device) -> Transformer:
    """The decoder of a folder, ready to learn. `SetupError` where it computes what training does not."""
    config = ModelConfig.from_folder(folder)
    for name, is_there in _beyond(config).items():
        if is_there:
            raise SetupError(f"{folder} has {name}, which training does not compute; tune a dense Qwen3 or Llama model")
    return load_model(folder, dtype, device=str(device)).train().requires_grad_(True)


def export_tuned(base: Path, out: Path, weights: Mapping[str, Tensor]) -> None:
    """Write `weights` in bfloat16 as a folder like `base`, with its configuration, tokenizer and template."""
    out.mkdir(parents=True, exist_ok=True)
    for pattern in FILES:
        for file in base.glob(pattern):
            shutil.copyfile(file, out / file.name)
    values = read_json(out / "config.json")
    values.pop("torch_dtype", None)
    (out / "config.json").write_text(json.dumps({**values, "dtype": "bfloat16"}, indent=2) + "\n", encoding="utf-8")
    named = {name if name.startswith("lm_head") else f"model.{name}": value for name, value in weights.items()}
    rounded = {name: value.detach().to("cpu", torch.bfloat16).contiguous() for name, value in named.items()}
    save_file(rounded, out / "model.safetensors", metadata={"format": "pt"})


def planned_steps(out: Path) -> int | None:
    """How many steps the run in `out` was planned for, if there is one."""
    loaded = load_checkpoint(out, {})
    return int(loaded[0].settings["num_steps"]) if loaded else None


def _beyond(config: ModelConfig) -> dict[str, bool]:
    has_window = any(layer.window is not None for layer in config.layers)
    return {
        "experts": config.num_experts > 0,
        "attention sinks": config.has_sinks,
        "sliding windows": has_window,
        "a cap on its logits": config.logit_softcap is not None,
    }


def _rates(config: ModelConfig) -> OptimConfig:
    """Those of pretraining, whose Adam rates fall with the root of the width; no weight decay."""
    base = OptimConfig(weight_decay=0.0)
    scale = (WIDTH_OF_RATES / config.hidden_size) ** 0.5
    return replace(base, embedding_lr=base.embedding_lr * scale, head_lr=base.head_lr * scale)


def _shown(numbers: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in numbers.items())

"""Steps of each recipe, in turns: ours, the baseline, and the same step written with transformers and its Trainer."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.learners.gpt2 import Baseline
from benchmarks.learners.ours import Ours
from benchmarks.learners.text import BATCH, CONTEXT, Text
from owngpt.training.dial import flops_per_token, num_parameters, shape
from owngpt.training.predict import matrix_rate

ROUNDS, STEPS = 5, 4


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a recipe's steps are, at its best round."""

    tokens_per_second: float
    flops_per_token: float

    @property
    def flops_per_second(self) -> float:
        return self.tokens_per_second * self.flops_per_token


@dataclass(frozen=True, slots=True)
class Speeds:
    """What the machine does at best with large matrices, and each recipe's steps."""

    matrix_rate: float  # floating point operations per second
    ours: Rate
    baseline: Rate
    trainer: Rate

    @property
    def time_per_flop(self) -> float:
        """Ours over the baseline's."""
        return self.baseline.flops_per_second / self.ours.flops_per_second


def measure_speeds(text: Text, depth: int, progress: Callable[[str], None]) -> Speeds:
    """`ROUNDS` rounds, in each `STEPS` steps of everyone."""
    values = shape(depth, text.vocab_size, CONTEXT)
    flops = flops_per_token(values, CONTEXT)
    with tempfile.TemporaryDirectory() as folder:
        baseline = Baseline(text, num_parameters(values), 1e-3, 0)
        ours = Ours(text, depth, 0, BATCH, Path(folder)).stepper(STEPS, BATCH)
        theirs = _trainer_steps(text, values, Path(folder))
        turns: dict[str, Callable[[], float]] = {
            "ours": lambda: _timed(ours),
            "baseline": lambda: _timed(lambda: [baseline.step(BATCH * step, 1.0) for step in range(STEPS)]),
            "trainer": lambda: theirs(STEPS),
        }
        best = {name: min(turn() for _ in range(2)) for name, turn in turns.items()}  # the first ones warm up
        rate = matrix_rate(torch.bfloat16)
        for number in range(ROUNDS):
            for name, turn in turns.items():
                best[name] = min(best[name], turn())
            rate = max(rate, matrix_rate(torch.bfloat16))
            progress(f"speeds of depth {depth}, round {number + 1} of {ROUNDS}")
    tokens = STEPS * BATCH
    return Speeds(
        rate,
        Rate(tokens / best["ours"], flops),
        Rate(tokens / best["baseline"], baseline.model.flops_per_token(CONTEXT)),
        Rate(tokens / best["trainer"], flops),
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _trainer_steps(text: Text, values: dict[str, Any], folder: Path) -> Callable[[int], float]:
    """The same shape and batch, bf16 by autocast, AdamW, as `Trainer` does it; -> seconds of so many steps."""
    import transformers

    logging.getLogger("transformers").setLevel(logging.ERROR)
    config = transformers.Qwen3Config(**{key: value for key, value in values.items() if key != "architectures"})
    model = transformers.Qwen3ForCausalLM(config)
    rows = [text.tokens(start, CONTEXT) for start in range(0, 64 * CONTEXT, CONTEXT)]
    dataset = [{"input_ids": row, "labels": row} for row in rows]

    def steps(num: int) -> float:
        arguments = transformers.TrainingArguments(
            output_dir=str(folder / "trainer"),
            per_device_train_batch_size=BATCH // CONTEXT,
            max_steps=num,
            bf16=True,
            use_cpu=True,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_strategy="no",
        )
        clock = _clock()
        transformers.Trainer(model=model, args=arguments, train_dataset=dataset, callbacks=[clock]).train()
        seconds: float = clock.end - clock.start
        return seconds

    return steps


def _clock() -> Any:
    """A callback that knows when the first step began and the last one ended."""
    import transformers

    class Clock(transformers.TrainerCallback):  # type: ignore[misc,unused-ignore]
        start = end = 0.0

        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            self.start = self.start or time.perf_counter()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            self.end = time.perf_counter()

    return Clock()

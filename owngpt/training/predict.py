"""What a run will take, before it starts: measured on this machine with its own first steps, not looked up.

A step is some passes of forward and backward and one move of the weights; both are timed, and the plan says how many
there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from owngpt.errors import SetupError
from owngpt.model.config import ModelConfig
from owngpt.model.transformer import Transformer
from owngpt.training.dial import flops_per_token, num_active, num_parameters
from owngpt.training.distributed import ALONE, Place
from owngpt.training.evaluate import forward_rows, output_head
from owngpt.training.loss import next_token_loss
from owngpt.training.optim import Optimizer
from owngpt.training.plan import TrainConfig, plan_steps
from owngpt.training.shards import Phase

MATRIX_SIZE = 2048
ROUNDS = 3  # of which the fastest counts
SPARE_SHARE = 0.05  # of a budget of time: for measuring, saving, and a machine that has other things to do


@dataclass(frozen=True, slots=True)
class Speed:
    """What the machine does. Rates are floating point operations per second."""

    matrix_rate: float  # of a large product of matrices, in the model's dtype
    pass_seconds: float  # forward and backward pass of `micro_tokens`; less where several processes share them
    step_seconds: float  # moving the weights

    def limits(self, values: Mapping[str, Any], config: TrainConfig) -> dict[Phase, float]:
        """Tokens per second of each phase if all of a step ran at the matrix rate."""
        contexts: dict[Phase, int] = {"stable": config.context, "decay": config.decay_context}
        return {phase: self.matrix_rate / flops_per_token(values, context) for phase, context in contexts.items()}

    def seconds(self, config: TrainConfig) -> float:
        """Of all steps of a run."""
        steps = plan_steps(config)
        passes = sum(step.num_tokens for step in steps) / config.micro_tokens
        return passes * self.pass_seconds + len(steps) * self.step_seconds


def measure_speed(values: Mapping[str, Any], config: TrainConfig, dtype: torch.dtype, place: Place = ALONE) -> Speed:
    """Time a model of this shape, made for the purpose, on tokens of no meaning. Several processes do it together."""
    model = Transformer(ModelConfig.from_dict(values))
    model.init_weights()
    model, device = place.put(model, dtype), place.device
    optimizer = Optimizer(model, config.optim, place)
    tokens = torch.arange(config.micro_tokens + 1, device=device) % values["vocab_size"]
    num_rows = max(1, config.micro_tokens // config.context)

    def one_pass() -> None:
        hidden_TE = forward_rows(model, tokens[:-1], num_rows, end_of_text=0)
        loss = next_token_loss(hidden_TE, output_head(model), tokens[1:], config.z_loss)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.accumulate()

    seconds = [_fastest(one_pass, device), _fastest(lambda: optimizer.step(1.0, 1), device)]
    pass_seconds, step_seconds = place.total(torch.tensor(seconds, device=device)).tolist()
    count = place.num_processes
    return Speed(matrix_rate(dtype, device) * count, pass_seconds / count**2, step_seconds / count)


def matrix_rate(dtype: torch.dtype, device: torch.device | str = "cpu") -> float:
    """Operations per second of a product of two square matrices, which is as fast as the machine gets."""
    size = MATRIX_SIZE if torch.device(device).type == "cpu" else 4 * MATRIX_SIZE
    a, b = (torch.ones(size, size, dtype=dtype, device=device) for _ in range(2))
    return 2 * size**3 / _fastest(lambda: a @ b, device)


def tokens_within(minutes: float, config: TrainConfig, speed: Speed) -> int:
    """How many tokens that time allows; `SetupError` if hardly any."""
    budget = minutes * 60 * (1 - SPARE_SHARE)
    few, many = config.micro_tokens, 1 << 42
    while many - few > few // 100:
        middle = (few + many) // 2
        fits = middle / config.micro_tokens * speed.pass_seconds < budget  # else its plan may be very long
        fits = fits and speed.seconds(replace(config, num_tokens=middle)) <= budget
        few, many = (middle, many) if fits else (few, middle)
    if few < 10 * config.micro_tokens:
        raise SetupError(f"minutes={minutes:g} is enough for {few} tokens only; allow more, or use a smaller depth")
    return few


def describe(values: Mapping[str, Any], config: TrainConfig, speed: Speed, price_per_hour: float | None) -> list[str]:
    """Lines for whoever starts the run: size, work, time, and money."""
    seconds = speed.seconds(config)
    work = sum(
        step.num_tokens * flops_per_token(values, config.context if step.phase == "stable" else config.decay_context)
        for step in plan_steps(config)
    )
    lines = [
        f"parameters   {num_parameters(values) / 1e6:.1f} M, {num_active(values) / 1e6:.1f} M of them active",
        f"tokens       {config.num_tokens / 1e6:.2f} M, {config.num_tokens / num_active(values):.1f} per parameter",
        f"arithmetic   {work:.2e} floating point operations",
        f"machine      {speed.matrix_rate / 1e9:.0f} billion per second in products of matrices",
        f"time         {seconds / 60:.0f} minutes, {work / seconds / speed.matrix_rate:.0%} of that rate",
    ]
    if price_per_hour is not None:
        lines.append(f"cost         {seconds / 3600 * price_per_hour:.2f} at {price_per_hour:g} per hour")
    return lines


def _fastest(work: Callable[[], object], device: torch.device | str) -> float:
    """Seconds of the fastest of a few rounds, after one that warms up."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds)

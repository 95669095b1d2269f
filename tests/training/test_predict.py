from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from owngpt.errors import SetupError
from owngpt.training.dial import flops_per_token, recipe, shape
from owngpt.training.plan import plan_steps
from owngpt.training.predict import Speed, describe, measure_speed, tokens_within

VALUES = shape(1, 256, 128)
CONFIG = replace(recipe(VALUES), context=32, decay_context=64, batch_tokens=128, micro_tokens=128, warmup=128)
SPEED = Speed(matrix_rate=1e9, pass_seconds=0.1, step_seconds=0.05)


def test_a_run_takes_as_long_as_its_passes_and_steps() -> None:
    config = replace(CONFIG, num_tokens=1280, max_batch_tokens=256, grow_after=512)
    steps = plan_steps(config)
    assert {step.num_tokens for step in steps} == {128, 256}
    passes = sum(step.num_tokens for step in steps) / 128
    assert SPEED.seconds(config) == pytest.approx(passes * 0.1 + len(steps) * 0.05)


def test_a_budget_of_time_becomes_tokens() -> None:
    num_tokens = tokens_within(10, CONFIG, SPEED)
    assert 540 < SPEED.seconds(replace(CONFIG, num_tokens=num_tokens)) <= 570


def test_a_budget_too_small_is_refused() -> None:
    with pytest.raises(SetupError, match=r"minutes=0.01 is enough for \d+ tokens only"):
        tokens_within(0.01, CONFIG, SPEED)


def test_the_prediction_is_told() -> None:
    lines = describe(VALUES, replace(CONFIG, num_tokens=128_000), SPEED, price_per_hour=36.0)
    assert [line.split()[0] for line in lines] == ["parameters", "tokens", "arithmetic", "machine", "time", "cost"]
    seconds = SPEED.seconds(replace(CONFIG, num_tokens=128_000))
    assert lines[-1] == f"cost         {seconds / 100:.2f} at 36 per hour"


def test_a_limit_is_what_the_matrix_rate_allows() -> None:
    assert SPEED.limits(VALUES, CONFIG)["decay"] == pytest.approx(1e9 / flops_per_token(VALUES, 64))


def test_this_machine_is_measured() -> None:
    speed = measure_speed(VALUES, CONFIG, torch.float32)
    assert min(speed.matrix_rate, speed.pass_seconds, speed.step_seconds) > 0

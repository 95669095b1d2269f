from __future__ import annotations

from dataclasses import replace

import pytest

from owngpt.errors import SetupError
from owngpt.training.plan import TrainConfig, phase_tokens, plan_steps

CONFIG = TrainConfig(
    1000, batch_tokens=10, max_batch_tokens=10, micro_tokens=10, context=5, decay_context=10, warmup=100
)
GROWING = replace(CONFIG, max_batch_tokens=40, grow_after=100)


def test_the_rate_is_a_trapezoid_over_tokens() -> None:
    rates = [step.rate for step in plan_steps(CONFIG)]
    assert rates[:10] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert rates[10:81] == [1.0] * 71
    assert rates[90] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.05)


def test_every_token_is_read_once() -> None:
    for config in (CONFIG, GROWING):
        for phase, needed in phase_tokens(plan_steps(config)).items():
            steps = [step for step in plan_steps(config) if step.phase == phase]
            assert [step.start for step in steps[1:]] == [step.end for step in steps[:-1]]
            assert (steps[0].start, steps[-1].end + 1) == (0, needed)


def test_the_batch_doubles_with_four_times_the_tokens() -> None:
    batches = {step.start: step.num_tokens for step in plan_steps(GROWING) if step.phase == "stable"}
    assert (batches[0], batches[90], batches[100], batches[380]) == (10, 10, 20, 20)
    assert {batch for start, batch in batches.items() if start >= 400} == {40}


def test_a_longer_run_begins_with_a_shorter_one() -> None:
    short, long = plan_steps(GROWING), plan_steps(replace(GROWING, num_tokens=4000))
    level = [step for step in short if step.phase == "stable"]
    assert long[: len(level)] == level


def test_a_run_shorter_than_a_step_has_one_of_each_phase() -> None:
    assert [step.phase for step in plan_steps(replace(CONFIG, num_tokens=1))] == ["stable", "decay"]


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SetupError, match="context=3 and batch_tokens=10 do not divide each other; use powers of two"):
        replace(CONFIG, context=3)

import pytest

from owngpt.engine.step_costs import StepCosts


def costs(**seconds: float) -> StepCosts:
    learned = StepCosts()
    for name, value in seconds.items():
        for _ in range(3):
            learned.observe(int(name[1:]), value)
    return learned


def test_times_between_known_sizes_are_interpolated() -> None:
    learned = costs(n1=10.0, n9=18.0)
    assert [learned.seconds(n) for n in (1, 5, 9)] == [10.0, 14.0, 18.0]
    assert learned.seconds(13) == pytest.approx(22.0), "the slope goes on"


def test_before_anything_is_known_more_tokens_are_hoped_to_cost_little() -> None:
    assert StepCosts().seconds(10) < 1.3 * StepCosts().seconds(1)
    assert costs(n1=10.0).seconds(11) == pytest.approx(12.0)


def test_a_single_slow_step_changes_nothing() -> None:
    learned = costs(n1=10.0, n4=11.0)
    learned.observe(4, 500.0)
    learned.observe(8, 500.0)
    assert learned.seconds(4) == 11.0
    assert learned.seconds(8) < 13.0


def test_more_never_costs_less() -> None:
    learned = costs(n1=10.0, n4=8.0)
    assert learned.seconds(4) == 10.0


def test_what_was_not_seen_for_long_is_tried_anew() -> None:
    learned = costs(n1=10.0, n8=500.0)
    assert learned.seconds(8) == 500.0
    for _ in range(1100):
        learned.observe(1, 10.0)
    assert learned.seconds(8) < 12.0

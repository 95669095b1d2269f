import pytest

from owngpt.text.held_out import ONE_IN, is_held_out, is_held_out_of

GROUPS = [f"page-{number}" for number in range(4000)]


def test_about_one_group_in_a_hundred_is_held_out() -> None:
    assert 20 < sum(map(is_held_out, GROUPS)) < 70


def test_a_larger_part_contains_the_smaller_one() -> None:
    smaller, larger = ({group for group in GROUPS if is_held_out(group, one_in)} for one_in in (100, 20))
    assert smaller < larger
    assert 130 < len(larger) < 270


def test_a_small_source_holds_out_more() -> None:
    groups = [f"article {number}" for number in range(2_000)]
    assert sum(is_held_out_of("squad", group) for group in groups) == pytest.approx(2_000 / ONE_IN["squad"], rel=0.3)
    assert sum(is_held_out_of("of no table", group) for group in groups) == pytest.approx(20, rel=0.5)

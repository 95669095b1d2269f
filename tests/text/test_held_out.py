from owngpt.text.held_out import is_held_out

GROUPS = [f"page-{number}" for number in range(4000)]


def test_about_one_group_in_a_hundred_is_held_out() -> None:
    assert 20 < sum(map(is_held_out, GROUPS)) < 70


def test_a_larger_part_contains_the_smaller_one() -> None:
    smaller, larger = ({group for group in GROUPS if is_held_out(group, one_in)} for one_in in (100, 20))
    assert smaller < larger
    assert 130 < len(larger) < 270

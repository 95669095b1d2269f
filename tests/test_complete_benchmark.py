"""What the benchmark of code completion concludes from its figures."""

from __future__ import annotations

import pytest

from benchmarks.complete import Line, Timing, held_out_lines, report


@pytest.mark.parametrize(("milliseconds", "conclusion"), [(149, "is under 150 ms"), (151, "is NOT under 150 ms")])
def test_half_of_the_cold_lines_decide(milliseconds: int, conclusion: str) -> None:
    cold = [Timing(0.001, 0.001, 0.0, has_offer=True, is_right=False)] * 2
    cold += [Timing(milliseconds / 1000, 0.2, 0.0, has_offer=True, is_right=True)] * 3
    warm = Timing(0.01, 0.01, 0.9, has_offer=False, is_right=False)
    text = report("garlic", [(each, warm) for each in cold], "a machine")
    assert conclusion in text
    assert f"| cold | {milliseconds} | {milliseconds} | 200 | 0% | 100% | 60% |" in text
    assert "| one more character | 10 | 10 | 10 | 90% | 0% | 0% |" in text


def test_lines_are_always_the_same_and_have_something_left_to_write() -> None:
    lines = list(held_out_lines(20))
    assert lines == list(held_out_lines(20))
    assert all(line.rest.strip() and line.suffix.startswith("\n") for line in lines)


def test_typing_moves_a_character() -> None:
    assert Line("a.py", "x", "yz", "").typed() == Line("a.py", "xy", "z", "")

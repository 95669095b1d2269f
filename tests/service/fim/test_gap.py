"""What may be closed in a gap, also where whoever sent the file has cut it."""

from __future__ import annotations

import pytest

from owngpt.service.fim.gap import Gap, width


@pytest.mark.parametrize(
    ("prefix", "suffix", "closable"),
    [
        ("print(", "", 1),
        ("print(", ")\n", 0),
        ("f(g(", ")\n", 1),
        ("class X { void f() { foo(", "\n}\n}", 1),
        ("foo(", "\n}\n}", 1),
        ("class X { void f() { foo(", ");\n", 0),
        ("a[", "]", 0),
        ("f('(", "')", 0),
    ],
)
def test_what_is_closed_behind_it_is_not_closed_in_it(prefix: str, suffix: str, closable: int) -> None:
    assert Gap(prefix, suffix, "a.js").num_closable == closable


def test_its_line_and_the_next_one() -> None:
    gap = Gap("a\n    b = ", " + 1\n\n  \n    c\n", "a.py")
    assert (gap.head, gap.tail, gap.next_line) == ("    b = ", " + 1", "    c")


def test_a_quote_may_be_closed_behind_it() -> None:
    assert Gap('x = "a', 'b"\n', "a.py").is_quote_closed
    assert not Gap('x = "a', "\n", "a.py").is_quote_closed
    assert not Gap("x = ", '"a"', "a.py").is_quote_closed


def test_tabs_are_as_wide_as_four_spaces() -> None:
    assert (width("\t\tx"), width("  \tx"), width("    x")) == (8, 4, 4)

import re
from random import Random

import pytest

from owngpt.training.fim import choose_cut, cut_block, cut_line, cut_span, fill_in_the_middle, with_fim

CODE = """def add(values):
    total = 0
    for value in values:
        total += value
    return total


def twice(value):
    return value + value
"""


def test_the_parts_make_the_text_again() -> None:
    for seed in range(50):
        text = "def f(x):\n    return x + 1\n"
        prefix, _, rest = (
            fill_in_the_middle(text, Random(seed)).removeprefix("<|fim_prefix|>").partition("<|fim_suffix|>")
        )
        suffix, _, middle = rest.partition("<|fim_middle|>")
        assert prefix + middle + suffix == text


def test_in_half_of_them_the_suffix_stands_first() -> None:
    texts = [fill_in_the_middle(CODE, Random(seed)) for seed in range(600)]
    first = sum(text.startswith("<|fim_prefix|><|fim_suffix|>") for text in texts)
    assert 270 < first < 400, "with some whose prefix is empty in either order"


def test_about_half_of_the_texts_are_rearranged() -> None:
    rng = Random(0)
    rearranged = sum(with_fim("some code", rng).startswith("<|fim_prefix|>") for _ in range(600))
    assert 250 < rearranged < 350


@pytest.mark.parametrize("text", ["", "x", "\n", "\n\n  \n", "日本\n語"])
def test_any_text_can_be_cut(text: str) -> None:
    for seed in range(40):
        start, end = choose_cut(text, Random(seed))
        assert 0 <= start <= end <= len(text)


def test_a_line_is_cut_from_a_token_to_its_end() -> None:
    middles = set()
    for seed in range(200):
        start, end = cut_line(CODE, Random(seed))
        assert CODE[end : end + 1] in ("\n", "")
        assert "\n" not in CODE[start:end]
        middles.add(CODE[start:end])
    assert {"return total", "total", "for value in values:"} <= middles
    assert "otal" not in middles, "no token of the language is cut"
    assert "" not in middles


def test_a_span_ends_on_its_line_or_the_next() -> None:
    cuts = [cut_span(CODE, Random(seed)) for seed in range(200)]
    assert all(CODE[cut.start : cut.end].count("\n") <= 1 for cut in cuts)
    assert any("\n" in CODE[cut.start : cut.end] for cut in cuts)


def test_a_block_is_whole_lines_of_one_depth() -> None:
    middles = {CODE[cut.start : cut.end] for cut in (cut_block(CODE, Random(seed)) for seed in range(300))}
    assert "        total += value" in middles
    assert "    for value in values:\n        total += value" in middles
    assert not any(middle.startswith("        ") and "return" in middle for middle in middles)


def test_a_long_text_is_cut_down_at_lines() -> None:
    lines = [f"value_{number} = {number}" for number in range(1000)]
    for seed in range(60):
        text = with_fim("\n".join(lines), Random(seed))
        if text.startswith("<|fim_prefix|>"):
            assert len(text) < 1300
            shown = re.findall(r"^value_\d+ = \d+$", text, re.MULTILINE)
            assert len(shown) > 40
            assert set(shown) <= set(lines)

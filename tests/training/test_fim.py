from random import Random

from owngpt.training.fim import fill_in_the_middle, with_fim


def test_the_parts_make_the_text_again() -> None:
    for seed in range(50):
        text = "def f(x):\n    return x + 1\n"
        prefix, _, rest = (
            fill_in_the_middle(text, Random(seed)).removeprefix("<|fim_prefix|>").partition("<|fim_suffix|>")
        )
        suffix, _, middle = rest.partition("<|fim_middle|>")
        assert prefix + middle + suffix == text


def test_about_a_third_of_the_texts_are_rearranged() -> None:
    rng = Random(0)
    rearranged = sum(with_fim("some code", rng).startswith("<|fim_prefix|>") for _ in range(600))
    assert 150 < rearranged < 250

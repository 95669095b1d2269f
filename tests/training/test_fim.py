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


def test_in_half_of_them_the_suffix_stands_first() -> None:
    texts = [fill_in_the_middle("some code", Random(seed)) for seed in range(600)]
    first = sum(text.startswith("<|fim_prefix|><|fim_suffix|>") for text in texts)
    assert 250 < first < 400, "with some whose prefix is empty in either order"


def test_about_a_third_of_the_texts_are_rearranged() -> None:
    rng = Random(0)
    rearranged = sum(with_fim("some code", rng).startswith("<|fim_prefix|>") for _ in range(600))
    assert 150 < rearranged < 250

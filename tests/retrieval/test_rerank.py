"""What stands close together counts."""

from __future__ import annotations

import pytest

from owngpt.retrieval.rerank import Proximity, WeightedQuery


def scores(weights: dict[str, float], *texts: str, window: int = 40) -> list[float]:
    return Proximity(window=window).scores(WeightedQuery(" ".join(weights), weights), texts)


def test_one_window_has_to_hold_the_terms() -> None:
    far = "cats " + "and so on " * 10 + "dogs"
    assert scores({"cat": 1.0, "dog": 3.0}, "cats and dogs", far, "birds") == [1.0, 0.75, 0.0]


def test_terms_count_once_and_words_from_their_beginning() -> None:
    assert scores({"cat": 1.0, "dog": 1.0}, "cats cats cats", "a scatter of catalogues") == [0.5, 0.0]


@pytest.mark.parametrize(
    ("stem", "word"), [("compani", "companies"), ("run", "RUN"), ("東京", "東京都"), ("leav", "leaving")]
)
def test_stems_are_found_in_their_words(stem: str, word: str) -> None:
    assert scores({stem: 1.0}, f"about {word} here") == [1.0]


def test_what_is_longer_than_its_ending_is_another_word() -> None:
    assert scores({"cat": 1.0}, "catalogue", "cat", "the cats") == [0.0, 1.0, 1.0]
    assert scores({"5": 1.0, "kg": 1.0}, "51 kgs", "5 kg") == [0.0, 1.0]


def test_what_most_texts_have_is_not_looked_for() -> None:
    assert scores({"the": 0.1, "cat": 1.0}, "the", "cat") == [0.0, pytest.approx(1 / 1.1)]


def test_an_empty_query_says_nothing() -> None:
    assert scores({}, "cats") == [0.0]

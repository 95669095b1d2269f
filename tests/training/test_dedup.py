from __future__ import annotations

import time
from random import Random

import pytest

from owngpt.training.dedup import NearDuplicates, signature, similarity

WORDS = ["".join(Random(seed).choices("abcdefghijklmnop", k=6)) for seed in range(2000)]


def text(seed: int, num_words: int = 400) -> list[str]:
    return Random(seed).choices(WORDS, k=num_words)


def changed(words: list[str], num_changes: int) -> list[str]:
    rng, other = Random(0), list(words)
    for place in rng.sample(range(len(other)), num_changes):
        other[place] = rng.choice(WORDS)
    return other


def shingles(words: list[str]) -> set[str]:
    letters = "".join(words)
    return {letters[start : start + 8] for start in range(len(letters) - 7)}


@pytest.mark.parametrize("num_changes", [0, 4, 12, 40, 120])
def test_the_estimate_is_near_the_jaccard_similarity(num_changes: int) -> None:
    differences = []
    for seed in range(10):
        one = text(seed)
        other = changed(one, num_changes)
        exact = len(shingles(one) & shingles(other)) / len(shingles(one) | shingles(other))
        estimates = [signature(" ".join(words)) for words in (one, other)]
        assert estimates[0] is not None
        assert estimates[1] is not None
        differences.append(similarity(estimates[0], estimates[1]) - exact)
    assert abs(sum(differences)) / 10 < 0.05
    assert max(map(abs, differences)) < 0.2


def test_a_family_is_found_by_its_first_text() -> None:
    near = NearDuplicates()
    for seed in range(300):
        seen = signature(" ".join(text(seed)))
        assert seen is not None
        assert near.find(seen) is None
        assert near.add(seen) == seed
    for seed in range(300):
        seen = signature(" ".join(changed(text(seed), 4)))
        assert seen is not None
        assert near.find(seen) == seed


def test_white_space_and_case_make_no_difference() -> None:
    words = text(1)
    one, other = signature(" ".join(words)), signature("\n  ".join(words).upper())
    assert one is not None
    assert other is not None
    assert similarity(one, other) == 1


def test_a_short_text_has_no_signature() -> None:
    assert signature("short " * 10) is None
    assert signature("") is None


def test_hardly_any_shingles_are_enough() -> None:
    """One shingle fills all bins by rotation."""
    one, other = signature("a" * 200), signature("a" * 300)
    assert one is not None
    assert other is not None
    assert similarity(one, other) == 1


def test_characters_outside_the_plane_and_surrogates_are_taken() -> None:
    assert signature("🧄" * 120) is not None
    assert signature("\ud800" * 120) is not None


def test_the_time_is_linear() -> None:
    """A million characters take far less than a second; what is quadratic takes minutes."""
    long = " ".join(text(1, 150_000))
    start = time.process_time()
    assert signature(long) is not None
    assert time.process_time() - start < 2

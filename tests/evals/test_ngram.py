"""The n-gram model: probabilities add up to 1, and what was seen is foretold."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest

from owngpt.errors import ConfigError
from owngpt.evals.ngram import NGrams, ngram_baseline, read_token_files
from owngpt.evals.task import Item

VOCAB = 12


def text(length: int, seed: int = 0) -> list[int]:
    """Each token mostly follows from the two before it."""
    rng, ids = random.Random(seed), [0, 1]
    while len(ids) < length:
        ids.append((3 * ids[-1] + ids[-2]) % VOCAB if rng.random() < 0.8 else rng.randrange(VOCAB))
    return ids


@pytest.mark.parametrize("before", [[], [3], [0, 1], text(9)[-4:], [7, 7, 7, 7], text(50)])
def test_probabilities_add_up_to_one(before: list[int]) -> None:
    model = NGrams(text(400), VOCAB)
    total = math.fsum(math.exp(model.log_probability(before, [token])) for token in range(VOCAB))
    assert total == pytest.approx(1.0, abs=1e-9)


def test_more_context_foretells_better_than_less() -> None:
    train, test = text(4_000), text(600, seed=1)
    bits = [-NGrams(train, VOCAB, order).log_probability([], test) / 600 / math.log(2) for order in (1, 3)]
    assert bits[0] > 3.5, "each token alone is as likely as any other"
    entropy = -(0.8 + 0.2 / VOCAB) * math.log2(0.8 + 0.2 / VOCAB) - 11 / VOCAB * 0.2 * math.log2(0.2 / VOCAB)
    assert entropy < bits[1] < entropy + 0.3


def test_a_bigram_by_hand() -> None:
    """Of 0 1 0 2 0 1: behind 0 come 1, 2 and 1; with discounts of a half, as there is so little text."""
    model = NGrams([0, 1, 0, 2, 0, 1], 3, order=2)
    continuation = {1: (1 - 0.5) / 4, 2: (1 - 0.5) / 4, 0: (2 - 0.5) / 4}
    unigram = {token: kept + 1.5 / 4 / 3 for token, kept in continuation.items()}
    expected = (2 - 0.5) / 3 + 2 * 0.5 / 3 * unigram[1]
    assert math.exp(model.log_probability([0], [1])) == pytest.approx(expected)


def test_what_was_seen_is_likelier_than_by_chance() -> None:
    ids = np.random.default_rng(0).integers(0, 16_384, 200_000)
    assert NGrams(ids, 16_384).log_probability([], ids[:100].tolist()) > -100 * math.log(16_384)


def test_it_weighs_choices_from_a_file_of_tokens(tmp_path: Path) -> None:
    np.array([65, *map(ord, "abcabcabcabc")], dtype=np.uint16).tofile(tmp_path / "train.stable.bin")
    model = NGrams(read_token_files([tmp_path / "train.stable.bin"]), 128)
    weigh = ngram_baseline(model, lambda text: list(map(ord, text)), start=65)
    (answer,) = weigh([Item("1", text="ab", choices=("ca", "ac"))])
    assert answer.scores[0] > answer.scores[1]
    with pytest.raises(ConfigError, match="token files cannot be read"):
        read_token_files([tmp_path / "no such file"])

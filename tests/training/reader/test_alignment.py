"""Japanese pieces begin where the English ones lie that translate them."""

from __future__ import annotations

import torch

from owngpt.training.reader.alignment import first_rows, translation_table

ENGLISH = {"the": 0, "dog": 1, "cat": 2, "runs": 3}
JAPANESE = {"犬": 4, "猫": 5, "走る": 6, "##犬": 7, "犬猫": 8}
PAIRS = [([0, 1, 3], [4, 6]), ([0, 2, 3], [5, 6]), ([0, 1], [4]), ([0, 2], [5])] * 5


def test_words_are_told_apart_by_what_they_stand_with() -> None:
    keys, chances = translation_table(PAIRS, 9)
    table = dict(zip(keys.tolist(), chances.tolist(), strict=True))
    assert table[4 * 9 + 1] > 0.4  # 犬: dog
    assert table[6 * 9 + 3] == max(table[6 * 9 + english] for english in range(4))  # 走る: runs
    assert 5 * 9 + 1 not in table  # 猫 never stood with dog


def test_rows_lie_near_their_translations_and_are_as_long() -> None:
    words_VE = torch.eye(4, 8) * 2
    rows_VE = first_rows(words_VE, ENGLISH | JAPANESE, list(JAPANESE), PAIRS)
    assert torch.equal(rows_VE[:4], words_VE)
    assert torch.allclose(rows_VE[4:].norm(dim=1), torch.full((5,), 2.0))
    assert rows_VE[6].argmax() == 3
    assert (rows_VE[4] @ words_VE[1]) > (rows_VE[4] @ words_VE[2]) + 0.5


def test_a_piece_that_no_translation_has_stands_near_its_other_form() -> None:
    rows_VE = first_rows(torch.eye(4, 64) * 2, ENGLISH | JAPANESE, list(JAPANESE), PAIRS)
    cosines = torch.nn.functional.cosine_similarity(rows_VE[7:8], rows_VE)
    assert cosines[4] > 0.7
    assert torch.nn.functional.cosine_similarity(rows_VE[8], rows_VE[4] + rows_VE[5], dim=0) > 0.7

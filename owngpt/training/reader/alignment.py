"""First vectors for Japanese pieces: those of the English pieces that they are translated by.

IBM Model 1 (Brown et al. 1993) tells from translations which English pieces a Japanese piece stands for; its vector
becomes their mean, weighted by probability, at the length that English vectors have. Pieces that no translation knows
get that of their other form (inside a word or at its beginning), or the mean of their characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROUNDS = 6
LEAST = 0.03  # probability of an English piece that counts
Ids = Sequence[int]


def translation_table(
    pairs: Sequence[tuple[Ids, Ids]], vocab_size: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """From (English ids, Japanese ids): the keys `japanese * vocab_size + english`, and P(english | japanese)."""
    links, sentence = _links(pairs, vocab_size)
    keys, link_key = np.unique(links, return_inverse=True)
    source = keys // vocab_size
    chances = np.ones(len(keys), np.float32)
    for _ in range(ROUNDS):
        weight = chances[link_key]
        weight /= np.bincount(sentence, weight)[sentence]
        counts = np.bincount(link_key, weight, len(keys))
        chances = (counts / np.maximum(np.bincount(source, counts), 1e-9)[source]).astype(np.float32)
    return keys, chances


def _links(pairs: Sequence[tuple[Ids, Ids]], vocab_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each English piece with each Japanese one of its sentence, and the number of that English piece."""
    links, numbers, number = [], [], 0
    for english, japanese in pairs:
        first, second = np.asarray(english, np.int64), np.unique(np.asarray(japanese, np.int64))
        links.append((second[None, :] * vocab_size + first[:, None]).ravel())
        numbers.append(np.repeat(np.arange(number, number + len(first)), len(second)))
        number += len(first)
    return np.concatenate(links), np.concatenate(numbers)


def first_rows(
    words_VE: Tensor, vocabulary: Mapping[str, int], japanese: Sequence[str], pairs: Sequence[tuple[Ids, Ids]]
) -> Tensor:
    """-> [number of pieces, E]: `words_VE` with the rows of the Japanese pieces set, new ones appended."""
    rows_VE = torch.zeros(len(vocabulary), words_VE.shape[1])
    rows_VE[: len(words_VE)] = words_VE.float()
    keys, chances = translation_table(pairs, len(vocabulary))
    kept = chances >= LEAST
    source, target = torch.from_numpy(keys[kept] // len(vocabulary)), torch.from_numpy(keys[kept] % len(vocabulary))
    means_VE = torch.zeros_like(rows_VE).index_add_(
        0, source, rows_VE[target] * torch.from_numpy(chances[kept])[:, None]
    )
    known = set(source.tolist())
    length = float(words_VE.float().norm(dim=1).median())
    for piece in sorted(japanese, key=len):
        number = vocabulary[piece]
        vector_E = means_VE[number] if number in known else _stand_in(piece, vocabulary, means_VE)
        means_VE[number] = rows_VE[number] = vector_E * (length / max(float(vector_E.norm()), 1e-6))
    return rows_VE


def _stand_in(piece: str, vocabulary: Mapping[str, int], rows_VE: Tensor) -> Tensor:
    """Of the other form, else of the characters; a random direction (always the same) is added to tell pieces apart."""
    text = piece.removeprefix("##")
    others = [vocabulary[form] for form in (text, f"##{text}") if form != piece and form in vocabulary]
    parts = [vocabulary[form] for one in text for form in (one, f"##{one}") if len(text) > 1 and form in vocabulary]
    found = [rows_VE[number] for number in others if rows_VE[number].any()] or [rows_VE[number] for number in parts]
    noise_E = torch.randn(rows_VE.shape[1], generator=torch.Generator().manual_seed(crc32(piece.encode())))
    mean_E = torch.stack(found).mean(0) if found else torch.zeros_like(noise_E)
    vector_E: Tensor = mean_E + noise_E * max(float(mean_E.norm()), 1.0) * 0.5 / noise_E.norm()
    return vector_E

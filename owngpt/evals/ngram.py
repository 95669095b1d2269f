"""An n-gram model of tokens: interpolated modified Kneser-Ney (Chen and Goodman 1998), the classical baseline.

It reads the tokens that a model was trained on, and weighs the same tokens of a text that the model weighs, so bits
per byte of both compare. Counts are sorted arrays, n-grams are 64-bit hashes: millions of tokens take seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from owngpt.errors import ConfigError
from owngpt.evals.task import Answer, Item

Tokens = NDArray[np.integer[Any]]
Hashes = NDArray[np.uint64]
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class _Order:
    """What is known of n-grams of one length. Arrays are sorted by hash; C: contexts, G: n-grams."""

    gram_G: Hashes
    count_G: Tokens
    context_C: Hashes
    total_C: Tokens  # counts of all n-grams that begin so
    kinds_C3: Tokens  # how many of these were counted once, twice, more often
    discounts: tuple[float, float, float]  # of what was counted once, twice, more often

    def probability(self, gram: Hashes, context: Hashes, lower: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of the last token of each n-gram behind its context, with `lower` as that of the shorter one."""
        count = _found(self.gram_G, self.count_G, gram)
        total = _found(self.context_C, self.total_C, context)
        kinds = np.stack([_found(self.context_C, self.kinds_C3[:, n], context) for n in range(3)], axis=1)
        kept = np.maximum(count - np.array([0.0, *self.discounts])[np.minimum(count, 3)], 0.0)
        known = np.maximum(total, 1)
        mixed = kept / known + kinds @ np.array(self.discounts) / known * lower
        return np.where(total > 0, mixed, lower)


class NGrams:
    """A model of up to `order` tokens in a row, of what `tokens` hold."""

    def __init__(self, tokens: Sequence[int] | Tokens, vocab_size: int, order: int = 5) -> None:
        ids = tokens if isinstance(tokens, np.ndarray) else np.array(tokens, dtype=np.int64)
        self.order, self._vocab_size = min(order, len(ids)), vocab_size
        self._orders: list[_Order] = []  # the shortest first
        longer: Tokens | None = None
        for length in range(self.order, 0, -1):
            counted, longer = _counted(ids, length, longer)
            self._orders.insert(0, counted)

    def log_probability(self, before: Sequence[int], tokens: Sequence[int]) -> float:
        """In nats, of `tokens` behind `before`."""
        ids = np.array([*before, *tokens], dtype=np.int64)
        places = np.arange(len(before), len(ids))
        probability = np.full(len(places), 1.0 / self._vocab_size)
        for length, order in enumerate(self._orders, start=1):
            has_room = places >= length - 1
            starts = places[has_room] - length + 1
            grams, contexts = _hashes(ids, length)[starts], _hashes(ids, length - 1)[starts]
            probability[has_room] = order.probability(grams, contexts, probability[has_room])
        return float(np.log(probability).sum())


def read_token_files(files: Sequence[Path]) -> Tokens:
    """The tokens of training runs: plain uint16, as `owngpt train pretrain` packs them. Raises `ConfigError`."""
    try:
        return np.concatenate([np.fromfile(file, dtype=np.uint16) for file in files])
    except (OSError, ValueError) as error:
        raise ConfigError(f"token files cannot be read: {error}") from error


def ngram_baseline(
    model: NGrams, encode: Callable[[str], Sequence[int]], start: int
) -> Callable[[Sequence[Item]], list[Answer]]:
    """Weighs choices behind plain text, which begins behind the token `start`."""

    def answer(items: Sequence[Item]) -> list[Answer]:
        return [Answer(scores=tuple(weigh(item.text, one) for one in item.choices)) for item in items]

    def weigh(text: str, choice: str) -> float:
        before, whole = [start, *encode(text)], [start, *encode(text + choice)]
        return model.log_probability(before, whole[len(before) :])

    return answer


def _counted(ids: Tokens, length: int, longer: Tokens | None) -> tuple[_Order, Tokens]:
    """The n-grams of a length, and a place of each.

    The longest ones are counted as they come; shorter ones by how many different tokens precede them, which is how
    many of the next longer ones (`longer`: a place of each) end so.
    """
    gram, first, counted = np.unique(_hashes(ids, length), return_index=True, return_counts=True)
    count: Tokens = counted
    if longer is not None:
        count = _found(*np.unique(_hashes(ids, length)[longer + 1], return_counts=True), gram)
    context_C, owner_G = np.unique(_hashes(ids, length - 1)[first], return_inverse=True)
    weights = (count, count == 1, count == 2, count > 2)
    sums = [np.bincount(owner_G, weights=weight, minlength=len(context_C)).astype(np.int32) for weight in weights]
    kinds_C3 = np.stack(sums[1:], axis=1)
    return _Order(gram, count.astype(np.int32), context_C, sums[0], kinds_C3, _discounts(count)), first


def _hashes(ids: Tokens, length: int) -> Hashes:
    """Of the `length` tokens from each place on; as many as there are, and one more of length 0."""
    size = max(0, len(ids) - length + 1)
    found = np.full(size, length, dtype=np.uint64)
    for offset in range(length):
        found = (found ^ (ids[offset : offset + size].astype(np.uint64) + np.uint64(1))) * _FACTOR
        found ^= found >> np.uint64(29)
    return found


def _discounts(count: Tokens) -> tuple[float, float, float]:
    """Chen and Goodman's three; a half where there is too little text to know."""
    n1, n2, n3, n4 = (int((count == times).sum()) for times in range(1, 5))
    if not n1 or not n2 or not n3:
        return 0.5, 0.5, 0.5
    share = n1 / (n1 + 2 * n2)
    found = (1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3)
    one, two, more = (min(max(value, 0.0), float(n)) for n, value in enumerate(found, start=1))
    return one, two, more


def _found(keys: Hashes, values: Tokens, wanted: Hashes) -> Tokens:
    """The value of each wanted key; 0 of those that are not there."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found: Tokens = np.where(keys[places] == wanted, values[places], 0)
    return found

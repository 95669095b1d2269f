"""Which examples come together: rows of about one length, up to a number of tokens, each epoch in another order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

_POOL = 24  # batches that are sorted by length together


def batches(lengths: Sequence[int], budget: int, seed: str) -> Iterator[list[int]]:
    """Endless lists of example numbers; `lengths` in tokens, `budget` per batch, padding included."""
    assert lengths, "there are examples"
    epoch = 0
    while True:
        yield from _epoch(lengths, budget, Random(f"{seed}-{epoch}"))
        epoch += 1


def _epoch(lengths: Sequence[int], budget: int, random: Random) -> Iterator[list[int]]:
    order = random.sample(range(len(lengths)), len(lengths))
    pool = max(1, _POOL * budget * len(lengths) // max(1, sum(lengths)))
    for start in range(0, len(order), pool):
        found = list(_cut(sorted(order[start : start + pool], key=lengths.__getitem__), lengths, budget))
        random.shuffle(found)
        yield from found


def _cut(numbers: Sequence[int], lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Numbers ascend in length, so the last one of a batch is its longest."""
    batch: list[int] = []
    for number in numbers:
        if batch and (len(batch) + 1) * lengths[number] > budget:
            yield batch
            batch = []
        batch.append(number)
    yield batch

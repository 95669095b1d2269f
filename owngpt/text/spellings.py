"""Spellings: the tokens of a vocabulary by the bytes that they stand for. Immutable, so it is shared."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable


class Spellings:
    """Finds tokens by how they begin."""

    def __init__(self, tokens: Iterable[tuple[bytes, int]]) -> None:
        """`tokens`: what each stands for, and its id; those that stand for nothing are left out."""
        self._sorted = sorted((spelled, i) for spelled, i in tokens if spelled)

    def fitting(self, text: bytes) -> list[int]:
        """Ids of the tokens with which a text may begin that begins with `text`: parts of it, and what goes on from it.

        A vocabulary of 150,000 is searched in microseconds, once for each byte of `text`.
        """
        parts = [i for end in range(1, len(text)) for i in self._between(text[:end], text[:end] + b"\0")]
        return parts + self._between(text, text + b"\xff" * 64)

    def _between(self, first: bytes, behind: bytes) -> list[int]:
        start = bisect_left(self._sorted, (first, -1))
        end = bisect_left(self._sorted, (behind, -1))
        return [i for _, i in self._sorted[start:end]]

"""Vectors in memory, compared one by one with that of a query: an exact search, not an approximate one.

A vector is kept as int8 with a scale, a query as whole numbers so small that every partial sum of a dot product stays
below 2^24. float32 represents those exactly, so a cosine has the same bits whatever order they are summed in, whatever
else is in the matrix, and however many threads there are. (For partial sums s of x·q: |s| <= |x| |q|, Cauchy-Schwarz.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEVELS = 127
_EXACT = float(2**24 - 1)
_BLOCK = 4096  # rows that are turned into float32 at a time: 6 MB for 384 dimensions, which stay in the cache


@dataclass(frozen=True, slots=True)
class Matrix:
    """Unit vectors as int8: row `i` is about `values[i] * scales[i]`."""

    values: NDArray[np.int8]  # [num_rows, dimensions]
    scales: NDArray[np.float32]  # [num_rows]

    @staticmethod
    def of(vectors: NDArray[np.floating]) -> Matrix:
        """From [num_rows, dimensions], of about unit length."""
        values = np.empty(vectors.shape, np.int8)
        scales = np.empty(len(vectors), np.float32)
        for start in range(0, len(vectors), _BLOCK):
            block = vectors[start : start + _BLOCK].astype(np.float32)
            peaks = np.maximum(np.abs(block).max(axis=1, initial=0.0), np.float32(1e-12))
            scaled = np.rint(block * (_LEVELS / peaks)[:, None])
            norms = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
            values[start : start + _BLOCK] = scaled
            scales[start : start + _BLOCK] = 1 / np.maximum(norms, 1)  # rounding changed the length, too
        return Matrix(values, scales)

    @staticmethod
    def joined(pieces: Sequence[Matrix]) -> Matrix:
        """All rows, in this order."""
        values = np.concatenate([piece.values for piece in pieces])
        scales = np.concatenate([piece.scales for piece in pieces])
        return Matrix(values, scales)

    def only(self, keep: NDArray[np.bool_]) -> Matrix:
        """Without the other rows."""
        return Matrix(self.values[keep], self.scales[keep])

    @property
    def dimensions(self) -> int:
        return int(self.values.shape[1])

    @property
    def nbytes(self) -> int:
        """Of memory."""
        return self.values.nbytes + self.scales.nbytes

    def cosines(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """[num_rows] with the query."""
        whole, step = _whole_numbers(query)
        dots = np.empty(len(self.values), np.float32)
        buffer = np.empty((min(_BLOCK, len(self.values)), self.dimensions), np.float32)
        for start in range(0, len(self.values), _BLOCK):
            block = self.values[start : start + _BLOCK]
            np.copyto(buffer[: len(block)], block)
            np.dot(buffer[: len(block)], whole, out=dots[start : start + len(block)])
        return dots * (self.scales * np.float32(step))


def _whole_numbers(query: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """The query's direction as whole numbers, and what one of them stands for.

    The bound holds for any matrix, not only for this one, so that the numbers do not depend on what is compared.
    """
    longest = _LEVELS * math.sqrt(len(query))
    norm = float(np.linalg.norm(query)) or 1.0
    room = (_EXACT / longest - math.sqrt(len(query)) / 2) / norm  # rounding adds at most half a unit per dimension
    whole = np.rint(query * np.float32(room)).astype(np.float32)
    return whole, 1.0 / (float(np.linalg.norm(whole)) or 1.0)

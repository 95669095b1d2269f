"""Which chunks contain which terms, how often, as arrays that fit into one value of a database row.

A term is known by 64 bits of its BLAKE2b digest, so no dictionary has to be kept; two of a million terms share one with
a probability of 3 in 10^8.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_HEAD = np.dtype("<u4")  # number of terms, of postings, of chunks
_MAX_COUNT = 255


@dataclass(frozen=True, slots=True)
class Postings:
    """The postings of some chunks, grouped by term: term `i` stands in `rows[starts[i]:starts[i + 1]]`."""

    terms: NDArray[np.uint64]  # [num_terms], ascending
    starts: NDArray[np.int64]  # [num_terms + 1]
    rows: NDArray[np.uint32]  # [num_postings], ascending within a term
    counts: NDArray[np.uint8]  # [num_postings], at most 255
    lengths: NDArray[np.uint32]  # [num_chunks]: how many terms each chunk has

    @staticmethod
    def of(documents: Sequence[Iterable[str]]) -> Postings:
        """From the terms of each chunk."""
        counted = [Counter(document) for document in documents]
        terms = np.array([term_id(term) for counter in counted for term in counter], np.uint64)
        rows = np.repeat(np.arange(len(counted), dtype=np.uint32), [len(counter) for counter in counted])
        counts = np.array([min(n, _MAX_COUNT) for counter in counted for n in counter.values()], np.uint8)
        lengths = np.array([counter.total() for counter in counted], np.uint32)
        return Postings.grouped(terms, rows, counts, lengths)

    @staticmethod
    def grouped(
        terms: NDArray[np.uint64], rows: NDArray[np.uint32], counts: NDArray[np.uint8], lengths: NDArray[np.uint32]
    ) -> Postings:
        """From one term per posting, in any order as long as the rows of a term ascend."""
        order = np.argsort(terms, kind="stable")
        names, begins = np.unique(terms[order], return_index=True)
        starts = np.append(begins, len(terms)).astype(np.int64)
        return Postings(names, starts, rows[order], counts[order], lengths)

    def to_bytes(self) -> bytes:
        """For at most 65,536 chunks; little-endian."""
        assert len(self.lengths) <= 2**16, f"{len(self.lengths)} chunks in one segment"
        head = np.array([len(self.terms), len(self.rows), len(self.lengths)], _HEAD)
        sizes = np.diff(self.starts).astype("<u4")
        arrays = (head, self.terms.astype("<u8"), sizes, self.lengths.astype("<u4"), self.rows.astype("<u2"))
        return b"".join(array.tobytes() for array in (*arrays, self.counts))

    @staticmethod
    def from_bytes(data: bytes) -> Postings:
        """What `to_bytes` has made."""
        num_terms, num_postings, num_chunks = (int(n) for n in np.frombuffer(data, _HEAD, 3))
        at, arrays = 3 * _HEAD.itemsize, []
        for dtype, size in (("<u8", num_terms), ("<u4", num_terms), ("<u4", num_chunks), ("<u2", num_postings)):
            arrays.append(np.frombuffer(data, dtype, size, at))
            at += arrays[-1].nbytes
        terms, sizes, lengths, rows = arrays
        starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        counts = np.frombuffer(data, np.uint8, num_postings, at)
        return Postings(terms, starts, rows.astype(np.uint32), counts, lengths)


@lru_cache(maxsize=2**17)
def term_id(term: str) -> int:
    """64 bits that stand for the term."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "little")

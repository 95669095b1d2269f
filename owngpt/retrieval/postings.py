"""Which chunks contain which terms, how often, as arrays; and as bytes that fit into one value of a database row.

A term is known by 64 bits of its BLAKE2b digest, so no dictionary has to be kept; two of a million terms share one with
a probability of 3 in 10^8.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_HEAD = np.dtype("<u4")  # number of terms, of postings, of chunks
_MAX_COUNT = 255


class Posting(NamedTuple):
    """The chunks that contain a term."""

    rows: NDArray[np.uint32]  # ascending
    counts: NDArray[np.uint8]  # how often, at most 255


@dataclass(frozen=True, slots=True)
class Postings:
    """The postings of some chunks, grouped by term: term `i` stands in `rows[starts[i]:starts[i + 1]]`."""

    terms: NDArray[np.uint64]  # [num_terms], ascending
    starts: NDArray[np.int64]  # [num_terms + 1]
    rows: NDArray[np.uint32]  # [num_postings], ascending within a term
    counts: NDArray[np.uint8]  # [num_postings]
    lengths: NDArray[np.uint32]  # [num_chunks]: how many terms each chunk has

    @staticmethod
    def of(documents: Sequence[Iterable[str]]) -> Postings:
        """From the terms of each chunk."""
        counted = [Counter(document) for document in documents]
        terms = np.array([term_id(term) for counter in counted for term in counter], np.uint64)
        rows = np.repeat(np.arange(len(counted), dtype=np.uint32), [len(counter) for counter in counted])
        counts = np.array([min(n, _MAX_COUNT) for counter in counted for n in counter.values()], np.uint8)
        lengths = np.array([counter.total() for counter in counted], np.uint32)
        order = np.argsort(terms, kind="stable")
        names, begins = np.unique(terms[order], return_index=True)
        return Postings(names, np.append(begins, len(terms)).astype(np.int64), rows[order], counts[order], lengths)

    @staticmethod
    def joined(pieces: Sequence[Postings]) -> Postings:
        """All of them, the rows of each behind those before it. Takes time in proportion to the postings."""
        names = _distinct(np.concatenate([piece.terms for piece in pieces]))
        places = [np.searchsorted(names, piece.terms) for piece in pieces]
        sizes = np.zeros(len(names), np.int64)
        for piece, place in zip(pieces, places, strict=True):
            sizes[place] += np.diff(piece.starts)
        starts = _starts(sizes)
        rows, counts = np.empty(starts[-1], np.uint32), np.empty(starts[-1], np.uint8)
        cursor, base = starts[:-1].copy(), 0
        for piece, place in zip(pieces, places, strict=True):
            sizes = np.diff(piece.starts)
            target = np.repeat(cursor[place] - piece.starts[:-1], sizes) + np.arange(len(piece.rows))
            rows[target], counts[target] = piece.rows + np.uint32(base), piece.counts
            cursor[place] += sizes
            base += len(piece.lengths)
        return Postings(names, starts, rows, counts, np.concatenate([piece.lengths for piece in pieces]))

    def only(self, keep: NDArray[np.bool_]) -> Postings:
        """Without the other rows, which the later ones move up for."""
        kept = keep[self.rows]
        new_rows = (np.cumsum(keep) - 1).astype(np.uint32)[self.rows[kept]]
        sizes = np.diff(np.concatenate([[0], np.cumsum(kept)])[self.starts])
        used = sizes > 0
        return Postings(self.terms[used], _starts(sizes[used]), new_rows, self.counts[kept], self.lengths[keep])

    def find(self, term: int) -> Posting | None:
        """Where the term with this id stands; None: nowhere."""
        i = int(np.searchsorted(self.terms, np.uint64(term)))
        if i == len(self.terms) or int(self.terms[i]) != term:
            return None
        where = slice(int(self.starts[i]), int(self.starts[i + 1]))
        return Posting(self.rows[where], self.counts[where])

    @property
    def nbytes(self) -> int:
        """Of memory."""
        return sum(array.nbytes for array in (self.terms, self.starts, self.rows, self.counts, self.lengths))

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
        at = 3 * _HEAD.itemsize
        arrays: list[NDArray[Any]] = []
        for dtype, size in (("<u8", num_terms), ("<u4", num_terms), ("<u4", num_chunks), ("<u2", num_postings)):
            arrays.append(np.frombuffer(data, dtype, size, at))
            at += arrays[-1].nbytes
        terms, sizes, lengths, rows = arrays
        counts = np.frombuffer(data, np.uint8, num_postings, at)
        return Postings(terms, _starts(sizes), rows.astype(np.uint32), counts, lengths)


@lru_cache(maxsize=2**17)
def term_id(term: str) -> int:
    """64 bits that stand for the term."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "little")


def _distinct(terms: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """In order, each once; several times as fast as `np.unique`."""
    in_order = np.sort(terms)
    is_first = np.ones(len(terms), np.bool_)
    np.not_equal(in_order[1:], in_order[:-1], out=is_first[1:])
    return in_order[is_first]


def _starts(sizes: NDArray[Any]) -> NDArray[np.int64]:
    """Where each of consecutive ranges begins, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])

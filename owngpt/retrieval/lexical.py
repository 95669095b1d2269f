"""BM25 (Robertson and Zaragoza, 2009, with the idf of Lucene), over exactly those chunks that the caller may read.

Number of chunks, average length and document frequencies are counted among them alone. So a score says nothing about
what is hidden, and an index that holds only the readable chunks gives the same bits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from owngpt.retrieval.part import Part
from owngpt.retrieval.postings import Posting, term_id

K1, B = 1.2, 0.75


class Readable(NamedTuple):
    """A part, and which of its rows the caller may read."""

    part: Part
    rows: NDArray[np.bool_]


class Statistics(NamedTuple):
    """What all readable chunks have in common."""

    num_chunks: int
    average_length: float

    @staticmethod
    def of(corpus: Sequence[Readable]) -> Statistics:
        """Counted anew for each search: a pass over bytes in memory."""
        number = sum(int(np.count_nonzero(rows)) for _, rows in corpus)
        length = sum(int(part.postings.lengths[rows].sum(dtype=np.int64)) for part, rows in corpus)
        return Statistics(number, length / number if length else 1.0)


def bm25(corpus: Sequence[Readable], statistics: Statistics, query: Iterable[str]) -> list[NDArray[np.float32]]:
    """The score of each row of each part, 0 to 1: the share of the greatest score that any chunk could reach.

    That bound is the sum of the idf of all terms of the query, so a chunk is close to 1 when it contains all of them
    often, and terms that stand nowhere count against every chunk alike. What may not be read has a score like the
    rest; whoever ranks leaves it out.
    """
    scores = [np.zeros(len(part), np.float32) for part, _ in corpus]
    saturation = [_saturation(part, statistics.average_length) for part, _ in corpus]
    bound = 0.0
    for term, times in Counter(query).items():
        found = [part.postings.find(term_id(term)) for part, _ in corpus]
        frequency = sum(_frequency(posting, rows) for posting, (_, rows) in zip(found, corpus, strict=True))
        weight = times * _idf(statistics.num_chunks, frequency)
        bound += weight
        for posting, score, slow in zip(found, scores, saturation, strict=True):
            if posting is not None:
                counts = posting.counts.astype(np.float32)
                score[posting.rows] += np.float32(weight) * counts / (counts + slow[posting.rows])
    return [score / np.float32(bound or 1.0) for score in scores]


def _saturation(part: Part, average_length: float) -> NDArray[np.float32]:
    lengths = part.postings.lengths.astype(np.float32)
    return np.float32(K1) * (np.float32(1 - B) + np.float32(B / average_length) * lengths)


def _frequency(posting: Posting | None, rows: NDArray[np.bool_]) -> int:
    return 0 if posting is None else int(np.count_nonzero(rows[posting.rows]))


def _idf(num_chunks: int, frequency: int) -> float:
    return math.log1p((num_chunks - frequency + 0.5) / (frequency + 0.5))

"""BM25 (Robertson and Zaragoza, 2009, with the idf of Lucene), over exactly those chunks that the caller may read.

Number of chunks, average length and document frequencies are counted among them alone. So a score says nothing about
what is hidden, and an index that holds only the readable chunks gives the same bits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from owngpt.retrieval.part import Part
from owngpt.retrieval.postings import term_id

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


def term_weights(corpus: Sequence[Readable], num_chunks: int, query: Iterable[str]) -> dict[str, float]:
    """How much each term of the query says: its idf, times how often it is asked for."""
    weights = {}
    for term, times in Counter(query).items():
        postings = ((part.postings.find(term_id(term)), rows) for part, rows in corpus)
        frequency = sum(int(np.count_nonzero(rows[found.rows])) for found, rows in postings if found is not None)
        weights[term] = times * math.log1p((num_chunks - frequency + 0.5) / (frequency + 0.5))
    return weights


def bm25(corpus: Sequence[Readable], average_length: float, weights: Mapping[str, float]) -> list[NDArray[np.float32]]:
    """The score of each row of each part, 0 to 1: the share of the greatest score that any chunk could reach.

    That bound is the sum of all weights, so a chunk is close to 1 when it contains all terms often, and terms that
    stand nowhere count against every chunk alike. What may not be read has a score like the rest; whoever ranks leaves
    it out.
    """
    bound = np.float32(sum(weights.values()) or 1.0)
    scores = []
    for part, _ in corpus:
        score, slow = np.zeros(len(part), np.float32), _saturation(part, average_length)
        for term, weight in weights.items():
            if (found := part.postings.find(term_id(term))) is not None:
                counts = found.counts.astype(np.float32)
                score[found.rows] += np.float32(weight) * counts / (counts + slow[found.rows])
        scores.append(score / bound)
    return scores


def _saturation(part: Part, average_length: float) -> NDArray[np.float32]:
    lengths = part.postings.lengths.astype(np.float32)
    return np.float32(K1) * (np.float32(1 - B) + np.float32(B / average_length) * lengths)

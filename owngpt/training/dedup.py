"""Near duplicates: texts whose sets of character shingles are mostly the same, found in time linear in their length.

One-permutation MinHash (Li, Owen & Zhang 2012) with empty bins filled by rotation (Shrivastava & Li 2014), looked up by
bands (Leskovec et al., Mining of Massive Datasets, ch. 3). Knows texts only, not where they come from.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SHINGLE = 8  # characters, white space and case left out: a word or two of English, a phrase of Japanese
NUM_BINS = 64
ROWS = 4  # bins per band: two texts that share 7 shingles in 10 meet in a band in 99 cases of 100
MIN_CHARACTERS = 100  # a shorter text has too few shingles; exact duplicates are found by fingerprint
THRESHOLD = 0.7  # of the estimated Jaccard similarity

Signature = npt.NDArray[np.uint64]
_BASE = 0x9E3779B97F4A7C15  # odd, as all multipliers modulo 2**64 here
_BIN_BITS = NUM_BINS.bit_length() - 1
_EDGES = np.arange(NUM_BINS, dtype=np.uint64) << np.uint64(64 - _BIN_BITS)
_ROW_FACTORS = np.array([pow(_BASE, row + 1, 2**64) for row in range(ROWS)], dtype=np.uint64)
_BANDS = np.arange(NUM_BINS // ROWS, dtype=np.uint64) * np.uint64(0xD6E8FEB86659FD93)


def signature(text: str) -> Signature | None:
    """The least hash of a text's shingles in each of `NUM_BINS` ranges; None for a text that is too short."""
    letters = "".join(text.lower().split()).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(letters, dtype=np.uint32)
    if len(codes) < MIN_CHARACTERS:
        return None
    hashes = np.sort(_mixed(_shingles(codes.astype(np.uint64))))
    places = np.minimum(np.searchsorted(hashes, _EDGES), len(hashes) - 1)
    least = hashes[places]
    (filled,) = np.nonzero(least >> np.uint64(64 - _BIN_BITS) == np.arange(NUM_BINS, dtype=np.uint64))
    following = filled[np.searchsorted(filled, np.arange(NUM_BINS)) % len(filled)]
    distance = (following - np.arange(NUM_BINS)) % NUM_BINS
    return np.asarray(least[following] + distance.astype(np.uint64), dtype=np.uint64)


class NearDuplicates:
    """Texts seen so far, by number. The first text of a family is the one that is found."""

    def __init__(self) -> None:
        self._signatures: list[Signature] = []
        self._buckets: dict[int, int] = {}  # hash of a band -> the first text with it

    def find(self, seen: Signature) -> int | None:
        """The number of a text that is at least `THRESHOLD` similar; None if there is none."""
        candidates = {self._buckets[key] for key in _band_keys(seen) if key in self._buckets}
        near = (text for text in sorted(candidates) if similarity(self._signatures[text], seen) >= THRESHOLD)
        return next(near, None)

    def __len__(self) -> int:
        return len(self._signatures)

    def add(self, seen: Signature) -> int:
        """Remember a text; return its number."""
        number = len(self._signatures)
        self._signatures.append(seen)
        for key in _band_keys(seen):
            self._buckets.setdefault(key, number)
        return number


def similarity(one: Signature, other: Signature) -> float:
    """The estimated Jaccard similarity of two texts' shingles, 0 to 1; its standard error is 0.06 at most."""
    return float(np.mean(one == other))


def _shingles(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """One hash per shingle, by doubling: hashes of 1 character make those of 2, these of 4 and so on."""
    length = 1
    while length < SHINGLE:
        hashes = hashes[:-length] * np.uint64(pow(_BASE, length, 2**64)) + hashes[length:]
        length *= 2
    return hashes


def _mixed(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Every bit depends on every other one (the end of SplitMix64)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(hashes ^ (hashes >> np.uint64(31)), dtype=np.uint64)


def _band_keys(seen: Signature) -> list[int]:
    keys: list[int] = _mixed((seen.reshape(-1, ROWS) * _ROW_FACTORS).sum(axis=1) + _BANDS).tolist()
    return keys

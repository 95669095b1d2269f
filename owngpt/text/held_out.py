"""Which part of the data is never trained on: decided by the name of a group alone, so that everybody decides alike."""

from __future__ import annotations

from hashlib import sha256

HELD_OUT_ONE_IN = 100  # groups per held-out group, where a source is not named here
ONE_IN = {  # source -> the same, where 1 in 100 is too few to measure with
    "squad": 10,  # 48 articles
    "squad-text": 10,
    "jaquad": 20,  # 691 articles
    "jaquad-text": 20,
    "banking77": 20,
    "clinc150": 20,
    "asdc-correctness": 20,
    "begin": 4,
    "fool-me-twice": 4,
    "jsick": 10,
    "mts-dialog": 10,
    "python": 20,  # files of the standard library
    "functions": 20,
}


def is_held_out(group: str, one_in: int = HELD_OUT_ONE_IN) -> bool:
    """Whether a group (a file, chapter, paragraph or sentence, by its name) is held out; 1 in `one_in` are.

    What is held out for one divisor is held out for each of its divisors as well: 1 in 20 contains 1 in 100.
    """
    return int.from_bytes(sha256(group.encode()).digest()[:8]) % one_in == 0


def is_held_out_of(source: str, group: str) -> bool:
    """Whether a group of this source is held out: by the share that the source has in `ONE_IN`."""
    return is_held_out(group, ONE_IN.get(source, HELD_OUT_ONE_IN))

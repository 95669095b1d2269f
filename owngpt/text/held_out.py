"""Which part of the data is never trained on: decided by the name of a group alone, so that everybody decides alike."""

from __future__ import annotations

from hashlib import sha256

HELD_OUT_ONE_IN = 100  # groups per held-out group, where a source does not say otherwise


def is_held_out(group: str, one_in: int = HELD_OUT_ONE_IN) -> bool:
    """Whether a group (a file, chapter, paragraph or sentence, by its name) is held out; 1 in `one_in` are.

    What is held out for one divisor is held out for each of its divisors as well: 1 in 20 contains 1 in 100.
    """
    return int.from_bytes(sha256(group.encode()).digest()[:8]) % one_in == 0

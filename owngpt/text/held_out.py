"""Which part of the data is never trained on: decided by the name of a group alone, so that everybody decides alike."""

from __future__ import annotations

from hashlib import sha256

HELD_OUT_ONE_IN = 100  # groups per held-out group, where a source is not named here
ONE_IN = {  # source -> the same, where 1 in 100 is too few to measure with; sources of one archive agree
    "ami": 20,
    "aqua": 20,
    "asdc": 20,
    "asdc-correct": 10,
    "banking77": 20,
    "begin": 5,
    "clinc150": 20,
    "completions": 20,
    "creak": 20,
    "e2e": 20,
    "ecqa": 20,
    "fool-me-twice": 5,
    "functions": 20,
    "gsm8k": 20,
    "handbook": 50,
    "jaquad": 20,
    "jaquad-quotes": 20,
    "jaquad-text": 20,
    "jaquad-titles": 20,
    "jcommonsenseqa": 20,
    "jsick": 10,
    "mbpp": 20,
    "mts-dialog": 10,
    "multidogo": 20,
    "own-chat": 20,
    "own-code": 20,
    "own-english": 20,
    "own-japanese": 20,
    "packages": 40,
    "page-pairs": 50,
    "pages-en": 50,
    "pages-ja": 50,
    "pubmedqa": 20,
    "python": 20,
    "qasc": 20,
    "qmsum": 10,
    "scitldr": 20,
    "scud": 20,
    "sensemaking": 20,
    "sgd": 20,
    "sgd-summaries": 20,
    "squad": 20,
    "squad-quotes": 20,
    "squad-text": 20,
    "steps": 20,
    "stories": 50,
    "strategyqa": 20,
    "tanaka": 50,
    "tatoeba": 50,
    "tatqa": 20,
}


def is_held_out(group: str, one_in: int = HELD_OUT_ONE_IN) -> bool:
    """Whether a group (a file, chapter, paragraph or sentence, by its name) is held out; 1 in `one_in` are.

    What is held out for one divisor is held out for each of its divisors as well: 1 in 20 contains 1 in 100.
    """
    return int.from_bytes(sha256(group.encode()).digest()[:8]) % one_in == 0


def is_held_out_of(source: str, group: str) -> bool:
    """Whether a group of this source is held out: by the share that the source has in `ONE_IN`."""
    return is_held_out(group, ONE_IN.get(source, HELD_OUT_ONE_IN))

"""Fill in the middle: code cut in three, the middle moved to the end (Bavarian et al. 2022).

Half of the rearranged texts have the suffix first ("SPM", in the form that shares its marks with the other order):
there the prefix is the beginning of the middle, so that what an editor's user types only adds to the end of a prompt.
"""

from __future__ import annotations

from random import Random

from owngpt.training.tokenizer import FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX

FIM_SHARE = 1 / 3  # of code documents
SUFFIX_FIRST_SHARE = 1 / 2  # of those
MAX_CHARACTERS = 1200  # a cut piece must fit into a training row, or its middle would stand alone


def with_fim(text: str, rng: Random) -> str:
    """A third of the texts rearranged, cut at random characters; the others as they are."""
    return fill_in_the_middle(text[:MAX_CHARACTERS], rng) if rng.random() < FIM_SHARE else text


def fill_in_the_middle(text: str, rng: Random) -> str:
    """`text` cut at two random places: what stands around the middle, then the middle as what is to be learnt."""
    start, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
    prefix, middle, suffix = text[:start], text[start:end], text[end:]
    if rng.random() < SUFFIX_FIRST_SHARE:
        return f"{FIM_PREFIX}{FIM_SUFFIX}{suffix}{FIM_MIDDLE}{prefix}{middle}"
    return f"{FIM_PREFIX}{prefix}{FIM_SUFFIX}{suffix}{FIM_MIDDLE}{middle}"

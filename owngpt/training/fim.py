"""Fill in the middle: code cut in three, the middle moved to the end (Bavarian et al. 2022, prefix-suffix-middle)."""

from __future__ import annotations

from random import Random

from owngpt.training.tokenizer import FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX

FIM_SHARE = 1 / 3  # of code documents
MAX_CHARACTERS = 1200  # a cut piece must fit into a training row, or its middle would stand alone


def with_fim(text: str, rng: Random) -> str:
    """A third of the texts rearranged, cut at random characters; the others as they are."""
    return fill_in_the_middle(text[:MAX_CHARACTERS], rng) if rng.random() < FIM_SHARE else text


def fill_in_the_middle(text: str, rng: Random) -> str:
    """`text` cut at two random places: prefix, suffix, then the middle as what is to be learnt."""
    start, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
    return f"{FIM_PREFIX}{text[:start]}{FIM_SUFFIX}{text[end:]}{FIM_MIDDLE}{text[start:end]}"

"""Fitting: texts cut to a number of tokens, at the ends that are far from the gap and between whole lines.

Cuts are made between groups of lines, counted from a text's beginning: so while somebody types they stay where they
are, and the prefix cache knows what stands behind them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

GROUP = 16  # lines
MOST = 16  # characters per token: what is longer is cut before it is tokenized

Encode = Callable[[str], list[int]]


class Cut(NamedTuple):
    """A text as it fits."""

    ids: list[int]
    num_omitted: int  # characters

    @property
    def is_whole(self) -> bool:
        return self.num_omitted == 0


def fit_end(text: str, room: int, encode: Encode) -> Cut:
    """The end of a text."""
    starts = [0, *_group_ends(text)]
    return _fit(text, room, encode, [text[start:] for start in _near(starts, len(text) - MOST * room)], from_end=True)


def fit_start(text: str, room: int, encode: Encode) -> Cut:
    """The beginning of a text."""
    ends = [end for end in (*_group_ends(text), len(text)) if end <= MOST * room] or [min(len(text), MOST * room)]
    return _fit(text, room, encode, [text[:end] for end in reversed(ends)], from_end=False)


def _near(starts: Sequence[int], least: int) -> list[int]:
    return [start for start in starts if start >= least] or [max(0, least)]


def _fit(text: str, room: int, encode: Encode, choices: Sequence[str], *, from_end: bool) -> Cut:
    """The longest of the choices that fits (each is shorter than the one before it); else as many tokens as do."""
    found = Cut(encode(choices[0]), len(text) - len(choices[0]))
    if len(found.ids) <= room:
        return found
    place = bisect_left(choices, True, lo=1, key=lambda choice: len(encode(choice)) <= room)
    if place < len(choices):
        return Cut(encode(choices[place]), len(text) - len(choices[place]))
    ids = encode(choices[-1])
    kept = ids[max(0, len(ids) - room) :] if from_end else ids[:room]
    return Cut(kept, max(1, len(text) * (len(ids) - len(kept)) // len(ids)))


def _group_ends(text: str) -> list[int]:
    """Where every 16th line ends."""
    ends, position = [], 0
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        position += len(line)
        if number % GROUP == 0 and position < len(text):
            ends.append(position)
    return ends

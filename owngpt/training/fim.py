"""Fill in the middle: code cut in three, the middle moved to the end (Bavarian et al. 2022).

Most cuts are those of editors: the rest of a line, a part of a line or two, a block of whole lines; they fall between
tokens of the language. Some fall between any two characters, so that a prompt may end anywhere. Half of the rearranged
texts have the suffix first ("SPM", in the form that shares its marks with the other order): there the prefix is the
beginning of the middle, so that what an editor's user types only adds to the end of a prompt.
"""

from __future__ import annotations

import re
from random import Random
from typing import NamedTuple

from owngpt.training.tokenizer import FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX

FIM_SHARE = 1 / 2  # of code documents
SUFFIX_FIRST_SHARE = 1 / 2  # of those
MAX_CHARACTERS = 1200  # a cut piece must fit into a training row, or its middle would stand alone
MAX_SPAN = 80  # characters of a part of a line or two
MAX_BLOCK = 8  # lines
WHOLE_LINE = 0.4  # of the cuts of a line
LINE, SPAN, BLOCK = 0.4, 0.2, 0.25  # shares of the cuts; the others fall anywhere
_TOKEN = re.compile(r"\w+|[^\w\s]|\n[ \t]*|[ \t]+")


class Cut(NamedTuple):
    """The characters that are taken out of a text."""

    start: int
    end: int


def with_fim(text: str, rng: Random) -> str:
    """Half of the texts rearranged, or a part of them where they are long; the others as they are."""
    return fill_in_the_middle(_window(text, rng), rng) if rng.random() < FIM_SHARE else text


def fill_in_the_middle(text: str, rng: Random) -> str:
    """`text` cut at two places: what stands around the middle, then the middle as what is to be learnt."""
    start, end = choose_cut(text, rng)
    prefix, middle, suffix = text[:start], text[start:end], text[end:]
    if rng.random() < SUFFIX_FIRST_SHARE:
        return f"{FIM_PREFIX}{FIM_SUFFIX}{suffix}{FIM_MIDDLE}{prefix}{middle}"
    return f"{FIM_PREFIX}{prefix}{FIM_SUFFIX}{suffix}{FIM_MIDDLE}{middle}"


def choose_cut(text: str, rng: Random) -> Cut:
    """One of the four kinds of cuts, by their shares."""
    kind = rng.random()
    if kind < LINE:
        return cut_line(text, rng)
    if kind < LINE + SPAN:
        return cut_span(text, rng)
    if kind < LINE + SPAN + BLOCK:
        return cut_block(text, rng)
    return Cut(*sorted(rng.randrange(len(text) + 1) for _ in range(2)))


def cut_line(text: str, rng: Random) -> Cut:
    """The whole of a line but its indentation, or what follows a token of it: never nothing, where there is a line."""
    first = [match.end() for match in re.finditer(r"(?m)^[ \t]*(?=\S)", text)]
    inner = [place for place in _boundaries(text) if text[place : place + 1].strip()]
    start = rng.choice((first if rng.random() < WHOLE_LINE else inner) or [0])
    end = text.find("\n", start)
    return Cut(start, len(text) if end < 0 else end)


def cut_span(text: str, rng: Random) -> Cut:
    """From between two tokens to between two others nearby, on the same line or the next."""
    boundaries = _boundaries(text)
    start = rng.choice(boundaries)
    limit = min(start + MAX_SPAN, *_line_ends(text, start)[1:2], len(text))
    return Cut(start, rng.choice([place for place in boundaries if start <= place <= limit]))


def cut_block(text: str, rng: Random) -> Cut:
    """Whole lines, at least as far in as the first of them, up to `MAX_BLOCK`; the last line's end stays."""
    starts = [match.start() for match in re.finditer(r"(?m)^[ \t]*\S", text)] or [0]
    start = rng.choice(starts)
    depth, end = _indentation(text[start:]), start
    for line in text[start:].splitlines(keepends=True)[: rng.randrange(1, MAX_BLOCK + 1)]:
        if line.strip() and _indentation(line) < depth:
            break
        end += len(line)
    return Cut(start, max(start, start + len(text[start:end].rstrip("\n"))))


def _window(text: str, rng: Random) -> str:
    """Whole lines of the text, up to `MAX_CHARACTERS`, from any line on; a line that is longer is cut."""
    if len(text) <= MAX_CHARACTERS:
        return text
    starts = [0, *(match.end() for match in re.finditer("\n", text[: len(text) - MAX_CHARACTERS // 2]))]
    start = rng.choice(starts)
    part = text[start : start + MAX_CHARACTERS]
    return part[: part.rfind("\n") + 1] or part


def _boundaries(text: str) -> list[int]:
    """Where a token of the language begins or the text ends."""
    return [*(match.start() for match in _TOKEN.finditer(text)), len(text)]


def _line_ends(text: str, start: int) -> list[int]:
    """The ends of the line at `start` and of the next one."""
    ends = [match.start() for match in re.finditer("\n", text[start : start + 2 * MAX_SPAN])]
    return [start + end for end in ends]


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))

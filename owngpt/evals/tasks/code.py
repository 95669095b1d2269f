"""Python completed: one line or a span inside a file, and the line that comes next.

From files of this machine's standard library that are held out from training. What is asked for is code: no comments,
no strings over several lines.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple

from owngpt.evals.graders import edit_similarity, exact
from owngpt.evals.task import Answer, Item, Task, mean
from owngpt.evals.tasks.materials import Materials

NUM_ITEMS = 300
BEFORE, BEHIND = 1_000, 500  # characters of whole lines around a gap
SPAN_LINES = range(2, 5)
_SHORTEST = 8  # characters of a line that is worth asking for
_LOOKED_UP = range(24, 3, -1)  # characters that a copy's place must share with the gap's


class _Gap(NamedTuple):
    prefix: str
    middle: str
    suffix: str


def code_lines(source: str) -> list[int]:
    """The lines, from 0, that are code throughout; none of a file that Python cannot read."""
    lines, code, other = source.splitlines(), set[int](), set[int]()
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            rows = range(token.start[0] - 1, token.end[0])
            is_text = token.type == tokenize.COMMENT or (token.type == tokenize.STRING and len(rows) > 1)
            (other if is_text else code).update(rows)
    except (tokenize.TokenError, SyntaxError):
        return []
    return [n for n in sorted(code - other) if n < len(lines) and len(lines[n].strip()) >= _SHORTEST]


def _gaps(materials: Materials, cut: Callable[[list[str], int, Random], _Gap | None], seed: str) -> list[_Gap]:
    """Places of all files in an order that mixes them, each cut."""
    places = [
        (source.splitlines(keepends=True), number)
        for _, source in materials.library_files()
        for number in code_lines(source)[3:]
    ]
    rng = Random(seed)
    rng.shuffle(places)
    return [gap for lines, number in places if (gap := cut(lines, number, rng)) is not None][:NUM_ITEMS]


def _line(lines: list[str], number: int, _: Random) -> _Gap:
    """All of a line behind its indentation."""
    line = lines[number].rstrip("\n")
    code = line.lstrip()
    indent = line[: len(line) - len(code)]
    return _Gap(_before(lines, number) + indent, code, "\n" + _behind(lines, number + 1))


def _span(lines: list[str], number: int, rng: Random) -> _Gap | None:
    """From somewhere in a line to the end of one of the next ones."""
    last = number + rng.choice(SPAN_LINES) - 1
    text = "".join(lines[number : last + 1]).rstrip("\n")
    start = rng.randrange(len(lines[number].rstrip()))
    if last >= len(lines) or not lines[last].strip() or len(text) - start > 240:
        return None
    return _Gap(_before(lines, number) + text[:start], text[start:], "\n" + _behind(lines, last + 1))


def _next(lines: list[str], number: int, _: Random) -> _Gap:
    return _Gap(_before(lines, number), lines[number].rstrip("\n"), "")


def _before(lines: list[str], number: int) -> str:
    return "".join(_whole(reversed(lines[:number]), BEFORE)[::-1])


def _behind(lines: list[str], number: int) -> str:
    return "".join(_whole(iter(lines[number:]), BEHIND))


def _whole(lines: Iterator[str], most: int) -> list[str]:
    kept: list[str] = []
    for line in lines:
        if sum(map(len, kept)) + len(line) > most:
            break
        kept.append(line)
    return kept


def look_up(items: Sequence[Item]) -> list[Answer]:
    """What follows the place, in the text around the gap, that shares most with the text before it."""
    return [Answer(_looked_up(item)) for item in items]


def _looked_up(item: Item) -> str:
    """As many lines as are asked for."""
    num_lines = item.references[0].count("\n") + 1
    whole = item.text[:-1] + "\0" + (item.suffix or "")
    for length in _LOOKED_UP:
        place = whole.rfind(item.text[-length:])
        if place >= 0:
            return "\n".join(whole[place + length :].split("\0")[0].split("\n")[:num_lines])
    return ""


def previous_line(items: Sequence[Item]) -> list[Answer]:
    """The last line that is not empty."""
    return [Answer(next((line for line in item.text.split("\n")[::-1] if line.strip()), "")) for item in items]


def _task(
    name: str, title: str, title_ja: str, cut: Callable[[list[str], int, Random], _Gap | None], **how: object
) -> Task:
    def build(materials: Materials) -> list[Item]:
        gaps = enumerate(_gaps(materials, cut, name))
        return [
            Item(str(number), text=gap.prefix, suffix=gap.suffix or None, references=(gap.middle,))
            for number, gap in gaps
        ]

    metrics = (mean("edit similarity", edit_similarity), mean("exact match", exact))
    baselines = {"look-up": look_up, "previous line": previous_line}
    return Task(name, title, title_ja, metrics, baselines, build, **how)  # type: ignore[arg-type]


TASKS = (
    _task("fim.line", "A line filled in, Python", "行の穴埋め（Python）", _line, max_tokens=48, stop=("\n",)),
    _task("fim.span", "A span filled in, Python", "範囲の穴埋め（Python）", _span, max_tokens=128),
    _task("nextline", "The next line, Python", "次の行（Python）", _next, max_tokens=48, stop=("\n",)),
)

"""Neighbours: the parts of other files that somebody who writes in this one is likely to need.

Windows of lines are compared by the words that they share with the lines around the cursor (as in RepoCoder, Zhang et
al. 2023); files that are imported, and files that were changed lately, come before others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from owngpt.cli.repository import Repository

WINDOW, STRIDE = 40, 20  # lines
AROUND = 30  # lines before and behind the cursor that say what is being written
MOST = 8  # neighbours
_MOST_READ = 300  # files
_MOST_BYTES = 200_000
_IMPORTED, _RECENT, _BESIDE = 0.3, 0.1, 0.02  # on top of the share of common words
_WORD = re.compile(r"[A-Za-z_]\w{2,}")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_IMPORTS = re.compile(
    r"^\s*(?:from\s+([.\w]+)\s+import\s+([\w, ]+)|import\s+([\w., ]+)"
    r"|\#include\s+[\"<]([^\">]+)|(?:use|mod)\s+([\w:]+))"
    r"|(?:from|require\(|import\(|import)\s*['\"]([^'\"]+)['\"]",
    re.MULTILINE,
)
_FAMILIES = (
    {".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".vue", ".svelte"},
    {".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".cu"},
    {".py", ".pyi"},
    {".java", ".kt", ".scala"},
)


class Neighbour(NamedTuple):
    """A part of a file, with the path from the root of the repository on."""

    path: str
    text: str


class _Found(NamedTuple):
    score: float
    neighbour: Neighbour


def neighbours(repository: Repository, name: str, text: str, line: int) -> list[Neighbour]:
    """Parts of files, the likeliest first. `name` is the path of the file in the repository; `line` counts from 0."""
    lines = text.splitlines()
    wanted = words("\n".join(lines[max(0, line - AROUND) : line + AROUND]))
    imported = frozenset(imports(text))
    found = (
        _best_window(repository, other, wanted, _bonus(repository, name, other, imported))
        for other in _candidates(repository, name, imported)
    )
    ranked = sorted((each for each in found if each is not None), key=lambda each: -each.score)
    return [each.neighbour for each in ranked[:MOST]]


def words(text: str) -> frozenset[str]:
    """The identifiers of a text and the words that these are made of, in small letters."""
    found = set(_WORD.findall(text))
    parts = {part.lower() for word in found for part in _PARTS.findall(word) if len(part) > 2}
    return frozenset({word.lower() for word in found} | parts)


def imports(text: str) -> Iterator[str]:
    """The last parts of what a file imports: `models` and `user` of `from ..models.user import User`."""
    for match in _IMPORTS.finditer(text):
        for group in filter(None, match.groups()):
            for part in re.split(r"[,\s]+", group):
                pieces = [piece for piece in re.split(r"[./:\\]+", part) if piece]
                yield from pieces[-2:]


def _candidates(repository: Repository, name: str, imported: frozenset[str]) -> list[str]:
    """Files of the same kind, in the order in which they are worth reading; only so many."""
    suffix = PurePosixPath(name).suffix
    kinds = next((family for family in _FAMILIES if suffix in family), {suffix})
    same = [other for other in repository.files if other != name and PurePosixPath(other).suffix in kinds]
    recent = {other: place for place, other in enumerate(repository.recent)}
    folder = PurePosixPath(name).parent

    def order(other: str) -> tuple[bool, int, int]:
        path = PurePosixPath(other)
        return path.stem not in imported, recent.get(other, len(recent)), _distance(folder, path.parent)

    return sorted(same, key=order)[:_MOST_READ]


def _distance(first: PurePosixPath, second: PurePosixPath) -> int:
    """Steps from one folder to the other."""
    common = sum(1 for _ in _while_same(first.parts, second.parts))
    return len(first.parts) + len(second.parts) - 2 * common


def _while_same(first: Sequence[str], second: Sequence[str]) -> Iterator[str]:
    for one, other in zip(first, second, strict=False):
        if one != other:
            return
        yield one


def _bonus(repository: Repository, name: str, other: str, imported: Iterable[str]) -> float:
    path = PurePosixPath(other)
    stem = path.parent.name if path.stem in ("__init__", "index", "mod") else path.stem
    bonus = _IMPORTED if stem in imported else 0.0
    if other in repository.recent:
        bonus += _RECENT / (1 + repository.recent.index(other) / 4)
    return bonus + (_BESIDE if path.parent == PurePosixPath(name).parent else 0.0)


def _best_window(repository: Repository, other: str, wanted: frozenset[str], bonus: float) -> _Found | None:
    text = _read(repository.root / other)
    if text is None:
        return None
    windows = list(_windows(text.splitlines()))
    scored = [(_similarity(wanted, words(window)), -number, window) for number, window in enumerate(windows)]
    if not scored:
        return None
    similarity, _, window = max(scored)
    return _Found(similarity + bonus, Neighbour(other, window)) if similarity else None


def _windows(lines: Sequence[str]) -> Iterator[str]:
    for start in range(0, max(1, len(lines) - STRIDE), STRIDE):
        window = "\n".join(lines[start : start + WINDOW]).strip("\n")
        if window:
            yield window


def _similarity(first: frozenset[str], second: frozenset[str]) -> float:
    """The share of words that both have (Jaccard)."""
    return len(first & second) / (len(first | second) or 1)


def _read(path: Path) -> str | None:
    """A text that is not too long; None for anything else."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None
    return None if "\0" in text else text

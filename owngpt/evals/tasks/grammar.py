"""Minimal pairs: two sentences that differ in one place, one of them right. The likelier one is what a model says.

Scored by the log-probability of the whole sentence, as BLiMP does it (Warstadt et al. 2020). The templates are our own
(`grammar_english.py`, `grammar_japanese.py`); pairs are drawn from them, equally many of each phenomenon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from random import Random
from typing import Any

from owngpt.evals.graders import choice
from owngpt.evals.task import Answer, Item, Task, mean
from owngpt.evals.tasks.grammar_english import ENGLISH
from owngpt.evals.tasks.grammar_japanese import JAPANESE

Pair = tuple[str, str]  # right, wrong
Phenomena = Mapping[str, Callable[[Random], Pair]]
PAIRS_EACH = 40


def minimal_pairs(phenomena: Phenomena, seed: str) -> list[Item]:
    """The same pairs for the same seed, phenomena taking turns, none twice."""
    drawn = [_drawn(name, draw, seed) for name, draw in phenomena.items()]
    return list(chain.from_iterable(zip(*drawn, strict=True)))


def _drawn(name: str, draw: Callable[[Random], Pair], seed: str) -> list[Item]:
    rng, pairs = Random(f"{seed}/{name}"), dict[Pair, None]()
    for _ in range(100 * PAIRS_EACH):
        pairs[draw(rng)] = None
        if len(pairs) == PAIRS_EACH:
            break
    assert len(pairs) == PAIRS_EACH, f"{name} has only {len(pairs)} different pairs"
    return [Item(f"{name}-{number}", choices=pair, fields={"phenomenon": name}) for number, pair in enumerate(pairs)]


def chance(items: Sequence[Item]) -> list[Answer]:
    """A coin: half of every item."""
    return [Answer(scores=(0.0,) * len(item.choices)) for item in items]


def shorter(items: Sequence[Item]) -> list[Answer]:
    """The choice with fewer bytes."""
    return [Answer(scores=tuple(-float(len(one.encode())) for one in item.choices)) for item in items]


def _task(name: str, title: str, title_ja: str, phenomena: Phenomena) -> Task:
    def build(_: Any) -> list[Item]:
        return minimal_pairs(phenomena, name)

    return Task(name, title, title_ja, (mean("accuracy", choice),), {"chance": chance, "shorter": shorter}, build)


TASKS = (
    _task("grammar.en", "Grammar, English minimal pairs", "文法（英語の最小対）", ENGLISH),
    _task("grammar.ja", "Grammar, Japanese minimal pairs", "文法（日本語の最小対）", JAPANESE),
)

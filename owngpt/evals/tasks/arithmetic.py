"""Sums in English and Japanese; an answer's last line names the result. What is asked is held out from training."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from owngpt.evals.task import Answer, Item, Task, mean
from owngpt.text.held_out import is_held_out_of
from owngpt.text.prompts import LANGUAGES, Language, final_line, read_final, solve

NUM_ITEMS = 300
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_ASKED: dict[Language, str] = {"en": "What is {sum}?", "ja": "{sum}はいくつですか？"}


def result_of(text: str) -> str | None:
    """The number after "The answer is", or the last one, without its commas."""
    numbers = _NUMBER.findall(text)
    return read_final(text) or (numbers[-1].replace(",", "") if numbers else None)


def _is_right(item: Item, answer: Answer) -> float:
    return float(result_of(answer.text) == item.references[0])


def _build(_: Any) -> list[Item]:
    rng, items = Random("arithmetic"), dict[str, Item]()
    for left, sign, right in _sums(rng):
        language = LANGUAGES[len(items) % 2]
        if is_held_out_of("arithmetic", f"{left}{sign}{right}"):
            items.setdefault(f"{left}{sign}{right}", _item(left, sign, right, language))
        if len(items) == NUM_ITEMS:
            break
    return list(items.values())


def _sums(rng: Random) -> Iterator[tuple[int, str, int]]:
    """Endless: of one to three digits, products of two and one."""
    while True:
        sign, most = rng.choice("+-×"), rng.choice((20, 100, 1000))
        left, right = rng.randrange(2, most), rng.randrange(2, most if sign != "×" else 10)
        yield (max(left, right), sign, min(left, right)) if sign == "-" else (left, sign, right)


def _item(left: int, sign: str, right: int, language: Language) -> Item:
    result = {"+": left + right, "-": left - right, "×": left * right}[sign]
    problem = _ASKED[language].format(sum=f"{left} {sign} {right}")
    fields = {"problem": problem, "language": language}
    return Item(f"{left}{sign}{right}", solve(problem, language), references=(str(result),), fields=fields)


def majority(items: Sequence[Item]) -> list[Answer]:
    """Always the result that is the most frequent one."""
    counts = Counter(item.references[0] for item in items)
    return [Answer(final_line(counts.most_common(1)[0][0], "en"))] * len(items)


def copy(items: Sequence[Item]) -> list[Answer]:
    """The last number of the problem."""
    return [Answer(_NUMBER.findall(item.fields["problem"])[-1]) for item in items]


TASKS = (
    Task(
        "arithmetic",
        "Arithmetic, English and Japanese",
        "計算（英語と日本語）",
        (mean("exact match", _is_right),),
        {"majority": majority, "copy": copy},
        _build,
        max_tokens=96,
    ),
)

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
    for group, expression, result in _problems(rng):
        if is_held_out_of("steps", group) and group not in items:
            items[group] = _item(expression, result, LANGUAGES[len(items) % 2])
        if len(items) == NUM_ITEMS:
            break
    return list(items.values())


def _problems(rng: Random) -> Iterator[tuple[str, str, int]]:
    """Endless: (group as in training, expression, result), of kinds in turn, larger than what is learnt by heart."""
    while True:
        left, right, small = rng.randrange(21, 1_000), rng.randrange(100, 1_000), rng.randrange(2, 13)
        low, high = sorted((left, right))
        yield f"{low}+{high}", f"{left} + {right}", left + right
        yield f"{high}-{low}", f"{high} - {low}", high - low
        yield f"{min(left, small)}×{max(left, small)}", f"{left} × {small}", left * small
        quotient = rng.randrange(2, 100)
        yield f"{small * quotient}÷{small}", f"{small * quotient} ÷ {small}", quotient
        first, second, third = rng.randrange(2, 60), rng.randrange(2, 13), rng.randrange(2, 13)
        mixed = f"{first} + {second} × {third}"
        yield mixed, mixed, first + second * third


def _item(expression: str, result: int, language: Language) -> Item:
    problem = _ASKED[language].format(sum=expression)
    fields = {"problem": problem, "language": language}
    return Item(expression, solve(problem, language), references=(str(result),), fields=fields)


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

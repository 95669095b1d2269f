"""Grades of single answers, 0 to 1, and the metrics made of them."""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from zlib import crc32

from owngpt.evals.fitting import auc, best_f1, f1_at
from owngpt.evals.task import Answer, Array, Item, Metric, mean
from owngpt.trust.language import is_japanese

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation) | set("、。，．・「」『』（）〈〉《》【】！？：；…〜～ー―‐－")
_ROUGE_WORD = re.compile(r"[a-z0-9]+")


def exact(item: Item, answer: Answer) -> float:
    """Whether the text is one of the references, white space at its ends aside."""
    return float(answer.text.strip() in {reference.strip() for reference in item.references})


def edit_similarity(item: Item, answer: Answer) -> float:
    """1 minus the share of characters to be edited (Levenshtein over the longer text); the nearest reference counts."""
    return max(1 - _edits(answer.text.strip(), reference.strip()) for reference in item.references)


def answer_exact(item: Item, answer: Answer) -> float:
    """SQuAD's exact match: case, punctuation, articles and white space do not count."""
    return float(normal(answer.text) in map(normal, item.references))


def answer_f1(item: Item, answer: Answer) -> float:
    """SQuAD's F1 over words, and over characters in Japanese, as JaQuAD's authors do it."""
    return max(_overlap_f1(_units(answer.text), _units(reference)) for reference in item.references)


def choice(item: Item, answer: Answer) -> float:
    """Whether the right choice is the likeliest one; shared with k others, it counts 1/(k+1)."""
    best = max(answer.scores)
    return float(answer.scores[item.label] == best) / answer.scores.count(best)


def rouge(order: int) -> Callable[[Item, Answer], float]:
    """ROUGE-1, -2 (order 1, 2) or -L (order 0), F1 over words (Lin 2004); characters where a text is Japanese."""

    def grade(item: Item, answer: Answer) -> float:
        said = _rouge_units(answer.text)
        return max(_rouge(said, _rouge_units(reference), order) for reference in item.references)

    return grade


def normal(text: str) -> str:
    """What SQuAD compares; width does not count either."""
    lowered = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(" " if character in _PUNCTUATION and is_japanese(text) else character for character in lowered)
    kept = "".join(character for character in kept if character not in _PUNCTUATION)
    words = _ARTICLES.sub(" ", kept).split()
    return ("" if is_japanese(text) else " ").join(words)


def bits_per_byte() -> Metric:
    """The log-probability of the first choice, in bits, over its bytes in UTF-8."""

    def row(item: Item, answer: Answer) -> Sequence[float]:
        return -answer.scores[0] / math.log(2), len(item.choices[0].encode("utf-8", "surrogatepass"))

    return Metric("bits per byte", row, lambda rows: float(rows[:, 0].sum() / rows[:, 1].sum()), True, False)


def separation() -> tuple[Metric, Metric]:
    """AUC and F1 of telling label 1 from 0 by the second score minus the first.

    The threshold of F1 is found on one half of the items and used on the other, both ways. An item is always in the
    same half, also when it is drawn several times.
    """

    def row(item: Item, answer: Answer) -> Sequence[float]:
        return answer.scores[1] - answer.scores[0], item.label, crc32(item.id.encode()) % 2

    return Metric("AUC", row, lambda rows: auc(*_columns(rows))), Metric("F1", row, _crossed_f1)


def recall_of(name: str, is_asked: Callable[[Item], bool], grade: Callable[[Item, Answer], float]) -> Metric:
    """The mean grade over the items of one class alone."""

    def row(item: Item, answer: Answer) -> Sequence[float]:
        return (grade(item, answer) if is_asked(item) else 0.0), float(is_asked(item))

    return Metric(name, row, _ratio)


def ndcg() -> Metric:
    """nDCG@10 of what was found, where the references are the documents that should be."""

    def grade(item: Item, answer: Answer) -> float:
        gains = [1 / math.log2(rank + 1) for rank in range(1, 11)]
        hits = [gain for gain, one in zip(gains, answer.found, strict=False) if one in item.references]
        return sum(hits) / sum(gains[: len(item.references)])

    return mean("nDCG@10", grade)


def _ratio(rows: Array) -> float:
    total = rows[:, 1].sum()
    return float(rows[:, 0].sum() / total) if total else float("nan")


def _columns(rows: Array) -> tuple[list[float], list[bool]]:
    return [float(score) for score in rows[:, 0]], [bool(label) for label in rows[:, 1]]


def _crossed_f1(rows: Array) -> float:
    halves = _columns(rows[rows[:, 2] == 0]), _columns(rows[rows[:, 2] == 1])
    if not all(any(labels) for _, labels in halves):
        return float("nan")
    return sum(f1_at(*test, best_f1(*fit)[0]) for fit, test in (halves, halves[::-1])) / 2


def _units(text: str) -> list[str]:
    plain = normal(text)
    return [character for character in plain if not character.isspace()] if is_japanese(text) else plain.split()


def _overlap_f1(said: Sequence[str], right: Sequence[str]) -> float:
    common = (Counter(said) & Counter(right)).total()
    return 2 * common / (len(said) + len(right)) if common else float(not said and not right)


@lru_cache(maxsize=4096)
def _rouge_units(text: str) -> tuple[str, ...]:
    if is_japanese(text):
        return tuple(character for character in text if character.isalnum())
    return tuple(_ROUGE_WORD.findall(text.lower()))


def _rouge(said: Sequence[str], right: Sequence[str], order: int) -> float:
    if order == 0:
        common, sizes = _longest_common(said, right), len(said) + len(right)
        return 2 * common / sizes if sizes else 0.0
    ours, theirs = (Counter(zip(*(units[i:] for i in range(order)), strict=False)) for units in (said, right))
    sizes = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / sizes if sizes else 0.0


def _longest_common(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(right) + 1)
    for unit in left:
        before = row
        row = [0]
        for place, other in enumerate(right):
            row.append(before[place] + 1 if unit == other else max(row[-1], before[place + 1]))
    return row[-1]


def _edits(said: str, right: str) -> float:
    """Levenshtein distance over the length of the longer text."""
    if said == right:
        return 0.0
    row = list(range(len(right) + 1))
    for number, character in enumerate(said, start=1):
        before, row = row, [number]
        for place, other in enumerate(right):
            row.append(min(before[place] + (character != other), before[place + 1] + 1, row[-1] + 1))
    return row[-1] / max(len(said), len(right))

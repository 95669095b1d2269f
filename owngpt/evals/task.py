"""What a task is: items that are asked, metrics that judge answers, and baselines that answer without a model.

Knows no model. An answer comes from anything that takes items and gives one answer each (`Answerer`): a completer
(`completer.py`), a baseline, a reader, a search.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from owngpt.types import Message

Array = NDArray[np.float64]
Needs = Literal["nothing", "data", "corpus"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to be answered.

    The prompt is a conversation (`messages`), or plain `text`, perhaps with the `suffix` that follows a gap. With
    `choices`, the log-probability of each after the prompt is the answer; without, what a model generates.
    `fields` are what the prompt was made of: baselines and readers work on them.
    """

    id: str
    messages: tuple[Message, ...] = ()
    text: str = ""
    suffix: str | None = None
    choices: tuple[str, ...] = ()
    references: tuple[str, ...] = ()  # right answers, each as good as the other
    label: int = 0  # the right choice, or the class
    fields: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it is written to files and hashed; empty fields are left out."""
        fields = asdict(self)
        fields["messages"] = [{"role": message.role, "content": message.content} for message in self.messages]
        return {name: value for name, value in fields.items() if name == "label" or value not in ((), [], {}, "", None)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Item:
        """The inverse of `to_json`."""
        messages = tuple(Message(one["role"], one["content"]) for one in fields.get("messages", ()))
        tuples = {name: tuple(fields.get(name, ())) for name in ("choices", "references")}
        return cls(**{**fields, **tuples, "messages": messages})


class Answer(NamedTuple):
    """What was said, how likely each choice is (nats), or what was found, best first."""

    text: str = ""
    scores: tuple[float, ...] = ()
    found: tuple[str, ...] = ()


Answerer = Callable[[Sequence[Item]], Sequence[Answer]]


@dataclass(frozen=True, slots=True)
class Metric:
    """How answers are judged: a row of numbers for each, and one number for all rows.

    So any metric, also one of a whole corpus (BLEU, AUC, bits per byte), can be resampled item by item.
    """

    name: str
    row: Callable[[Item, Answer], Sequence[float]]
    reduce: Callable[[Array], float]  # of [items, numbers]
    is_lower_better: bool = False
    is_share: bool = True  # 0 to 1, shown in percent

    def rows(self, items: Sequence[Item], answers: Sequence[Answer]) -> Array:
        """float64 [items, numbers]."""
        return np.array([self.row(*pair) for pair in zip(items, answers, strict=True)], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Task:
    """A named kind of question. The first metric is the one that it is known by."""

    name: str
    title: str
    title_ja: str
    metrics: tuple[Metric, ...]
    baselines: Mapping[str, Answerer]
    build: Callable[[Any], Sequence[Item]]  # of `tasks.materials.Materials`; always the same items in the same order
    needs: Needs = "nothing"
    max_tokens: int = 0
    stop: tuple[str, ...] = ()

    def digest(self, items: Sequence[Item]) -> str:
        """Names items, prompts and what ends an answer: reports with the same digest can be compared."""
        whole = [self.name, self.max_tokens, self.stop, *(item.to_json() for item in items)]
        written = json.dumps(whole, ensure_ascii=False, sort_keys=True)
        return sha256(written.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def mean(name: str, grade: Callable[[Item, Answer], float], **how: Any) -> Metric:
    """A metric that is the mean of a grade of each answer."""
    return Metric(name, lambda item, answer: (grade(item, answer),), lambda rows: float(rows.mean()), **how)

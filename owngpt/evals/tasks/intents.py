"""What a customer wants: one of eight intents that are named, or none of them (BANKING77, CLINC150)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from random import Random

from owngpt.evals.graders import recall_of
from owngpt.evals.task import Answer, Item, Task, mean
from owngpt.evals.tasks.materials import Materials
from owngpt.text.held_out import is_held_out_of
from owngpt.text.prompts import OUT_OF_SCOPE, intent
from owngpt.trust.terms import coverage, terms

NUM_ITEMS, NUM_CHOICES = 300, 8
_IN_SCOPE_ABSENT = 0.1  # of the messages with an intent, those whose intent is not among the choices


def group_of(message: str) -> str:
    """As in training: without case, white space and punctuation."""
    return "".join(filter(str.isalnum, message.lower())) or message


def _build(materials: Materials) -> list[Item]:
    banking = [(row["text"].strip(), row["category"]) for row in materials.table("support/banking77_train.csv.gz")]
    parts = materials.json("support/clinc150_full.json.gz").values()
    clinc = [(text, OUT_OF_SCOPE if name == "oos" else name) for part in parts for text, name in part]
    items = [*_items("banking77", banking), *_items("clinc150", clinc)]
    outside = [item for item in items if item.references[0] == OUT_OF_SCOPE]
    inside = [item for item in items if item.references[0] != OUT_OF_SCOPE]
    chosen = [*outside[: NUM_ITEMS // 4], *inside[: NUM_ITEMS * 3 // 4]]
    return sorted(chosen, key=lambda item: sha256(f"order {item.id}".encode()).digest())


def _items(source: str, pairs: Sequence[tuple[str, str]]) -> list[Item]:
    names = sorted({name for _, name in pairs} - {OUT_OF_SCOPE})
    held_out = {message: name for message, name in pairs if is_held_out_of(source, group_of(message))}
    order = sorted(held_out, key=lambda message: sha256(message.encode()).digest())
    return [_item(source, message, held_out[message], names) for message in order]


def _item(source: str, message: str, name: str, names: Sequence[str]) -> Item:
    rng = Random(f"{source}/{message}")
    others = [other for other in rng.sample(names, NUM_CHOICES + 1) if other != name]
    is_absent = name == OUT_OF_SCOPE or rng.random() < _IN_SCOPE_ABSENT
    choices = others[:NUM_CHOICES] if is_absent else rng.sample([name, *others[: NUM_CHOICES - 1]], NUM_CHOICES)
    right = OUT_OF_SCOPE if is_absent else name
    fields = {"message": message, "choices": "\n".join(choices)}
    return Item(f"{source}/{message}", intent(message, "en", choices), references=(right,), fields=fields)


def _is_right(item: Item, answer: Answer) -> float:
    return float(_plain(answer.text) == _plain(item.references[0]))


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def is_outside(item: Item) -> bool:
    """Whether no intent fits."""
    return item.references[0] == OUT_OF_SCOPE


def majority(items: Sequence[Item]) -> list[Answer]:
    """Always the most frequent answer."""
    return [Answer(Counter(item.references[0] for item in items).most_common(1)[0][0])] * len(items)


def overlap(items: Sequence[Item]) -> list[Answer]:
    """The intent whose name has most of its words in the message; out of scope where no word of any is."""
    return [Answer(_nearest(item)) for item in items]


def _nearest(item: Item) -> str:
    said = terms(item.fields["message"])
    covered = {name: coverage(terms(name.replace("_", " ")), said, {}) for name in item.fields["choices"].split("\n")}
    best = max(covered, key=lambda name: covered[name])
    return best if covered[best] else OUT_OF_SCOPE


TASKS = (
    Task(
        "intent",
        "Intent of a customer's message",
        "問い合わせの用件",
        (mean("accuracy", _is_right), recall_of("out-of-scope recall", is_outside, _is_right)),
        {"majority": majority, "overlap": overlap},
        _build,
        "data",
        max_tokens=24,
    ),
)

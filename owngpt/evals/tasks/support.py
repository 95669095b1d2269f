"""Does a text bear out a statement? BEGIN and Fool Me Twice (English), ASDC and JSICK (Japanese).

Weighed by how much likelier "Yes" is than "No", so that no threshold has to be guessed (AUC).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import chain
from typing import Any

from owngpt.evals.graders import separation
from owngpt.evals.task import Answer, Item, Task
from owngpt.evals.tasks.materials import Materials
from owngpt.text.held_out import is_held_out_of
from owngpt.text.prompts import SUPPORTED, Language, support
from owngpt.trust.terms import coverage, terms

NUM_EACH = 200  # statements of one data set
_LONGEST = 2_000  # characters of evidence


def _english(materials: Materials) -> list[Item]:
    return _mixed(_begin(materials), _fool_me_twice(materials))


def _japanese(materials: Materials) -> list[Item]:
    return _mixed(_asdc(materials), _jsick(materials))


def _mixed(*sets: Iterator[Item]) -> list[Item]:
    """Some of each, in an order that mixes them."""
    chosen = [sorted(items, key=_order)[:NUM_EACH] for items in sets]
    return sorted(chain.from_iterable(chosen), key=_order)


def _order(item: Item) -> bytes:
    return sha256(item.id.encode()).digest()


def _begin(materials: Materials) -> Iterator[Item]:
    for name in ("begin_dev_wow.tsv.gz", "begin_dev_cmu.tsv.gz"):
        for row in materials.table(f"grounding/{name}", "\t", is_quoted=False):
            if is_held_out_of("begin", row["knowledge"]):
                is_so = row["begin_label"].startswith("Fully")
                yield _item("begin", row["knowledge"], row["response"], is_so, "en")


def _fool_me_twice(materials: Materials) -> Iterator[Item]:
    """Claims are held out one by one, so those that share a sentence of evidence with another claim are left out."""
    rows = list(materials.json_lines("grounding/fool_me_twice_dev.jsonl.gz"))
    trained = {text for row in rows if not is_held_out_of("fool-me-twice", row["id"]) for text in _evidence(row)}
    for row in rows:
        evidence = " ".join(_evidence(row))
        is_new = is_held_out_of("fool-me-twice", row["id"]) and trained.isdisjoint(_evidence(row))
        if is_new and len(evidence) <= _LONGEST:
            yield _item("fool-me-twice", evidence, row["text"], row["label"] == "SUPPORTS", "en")


def _evidence(row: Any) -> list[str]:
    return [part["text"] for part in row["gold_evidence"]]


def _asdc(materials: Materials) -> Iterator[Item]:
    for row in materials.json_lines("grounding/asdc_correctness_train_dev.jsonl.gz"):
        said = "\n".join([*(turn["text"] for turn in row["context"]), *row["sources"]])
        if is_held_out_of("asdc-correct", said) and row["targets"]:
            yield _item("asdc", said, "".join(row["targets"]), row["correct"], "ja")


def _jsick(materials: Materials) -> Iterator[Item]:
    for row in materials.table("grounding/jsick_train.tsv.gz", "\t", is_quoted=False):
        if is_held_out_of("jsick", row["sentence_A_Ja"]):
            is_so = row["entailment_label_Ja"] == "entailment"
            yield _item("jsick", row["sentence_A_Ja"], row["sentence_B_Ja"], is_so, "ja")


def _item(source: str, passage: str, statement: str, is_so: bool, language: Language) -> Item:
    fields = {"passage": passage, "statement": statement, "set": source}
    name = f"{source}/{sha256(f'{passage} {statement}'.encode()).hexdigest()[:12]}"
    messages = support(passage, statement, language)
    return Item(name, messages, choices=SUPPORTED[language], label=int(is_so), fields=fields)


def overlap(items: Sequence[Item]) -> list[Answer]:
    """Which part of the statement's words stand in the text."""
    found = [coverage(terms(item.fields["statement"]), terms(item.fields["passage"]), {}) for item in items]
    return [Answer(scores=(0.0, covered)) for covered in found]


def _task(language: Language, title: str, title_ja: str, build: Callable[[Materials], list[Item]]) -> Task:
    return Task(f"support.{language}", title, title_ja, separation(), {"overlap": overlap}, build, "data")


TASKS = (
    _task("en", "Statements borne out by a text, English", "文章による裏付け（英語）", _english),
    _task("ja", "Statements borne out by a text, Japanese", "文章による裏付け（日本語）", _japanese),
)

"""Short dialogues of a doctor and a patient, summarized in a sentence or two (MTS-Dialog)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256

from owngpt.evals.graders import rouge
from owngpt.evals.task import Answer, Item, Task, mean
from owngpt.evals.tasks.materials import Materials
from owngpt.text.held_out import is_held_out_of
from owngpt.text.prompts import summarize

LONGEST = 1_500  # characters of a dialogue
SUMMARY = range(15, 501)
_WHO = re.compile(r"^\w+: *", flags=re.MULTILINE)


def _build(materials: Materials) -> list[Item]:
    items = [*_items(materials, "mts_dialog_valid.csv.gz"), *_items(materials, "mts_dialog_train.csv.gz")]
    return sorted(items, key=lambda item: sha256(item.id.encode()).digest())


def _items(materials: Materials, file: str) -> Iterator[Item]:
    """All of the official validation part, and what is held out of the training part."""
    for row in materials.table(f"summ/{file}"):
        group = f"{file}/{row['ID']}"
        dialogue = re.sub(r" *\r?\n", "\n", row["dialogue"]).strip()
        summary = " ".join(row["section_text"].split())
        is_here = "valid" in file or is_held_out_of("mts-dialog", group)
        if is_here and len(dialogue) <= LONGEST and len(summary) in SUMMARY:
            yield Item(group, summarize(dialogue, "en"), references=(summary,), fields={"dialogue": dialogue})


def lead_3(items: Sequence[Item]) -> list[Answer]:
    """What is said in the first three turns."""
    return [Answer(_WHO.sub("", "\n".join(item.fields["dialogue"].split("\n")[:3]))) for item in items]


TASKS = (
    Task(
        "summary",
        "Summaries of dialogues",
        "会話の要約",
        (mean("ROUGE-L", rouge(0)), mean("ROUGE-1", rouge(1)), mean("ROUGE-2", rouge(2))),
        {"lead-3": lead_3},
        _build,
        "data",
        max_tokens=128,
    ),
)

"""What is measured was never trained on: training and evaluation hold out the same groups, by the same names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from owngpt.evals.tasks import arithmetic
from owngpt.evals.tasks.materials import Materials
from owngpt.evals.tasks.registry import ALL
from owngpt.text.held_out import is_held_out_of
from owngpt.training.sources import SOURCES

DATA = Path(__file__).parents[3] / "shared" / "data"
SOURCE = {source.name: source for source in SOURCES}
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the data folder")


def trained_on(names: Sequence[str]) -> str:
    """All that training reads of these sources, without what it holds out."""
    documents = (document for name in names for document in SOURCE[name].read(SOURCE[name].path(DATA)))
    return "\n\n".join(
        document.content
        for document in documents
        if document.source in names and not is_held_out_of(document.source, document.group)
    )


@needs_data
@pytest.mark.parametrize(
    ("task", "field", "sources"),
    [
        ("translate.en-ja", "source", ["tatoeba"]),
        ("intent", "message", ["banking77", "clinc150"]),
        ("summary", "dialogue", ["mts-dialog"]),
        ("qa.en", "passage", ["squad-text"]),
        ("support.en", "passage", ["begin", "fool-me-twice"]),
        ("support.ja", "passage", ["asdc-correct", "jsick"]),
    ],
)
def test_no_item_stands_in_what_is_trained_on(task: str, field: str, sources: Sequence[str]) -> None:
    trained = trained_on(sources)
    keys = [f" {item.fields[field]}\n" for item in ALL[task].build(Materials(DATA))]
    assert len(trained) > 50_000
    assert [key for key in keys if key in trained] == []


def test_no_expression_is_trained_on() -> None:
    steps = SOURCE["steps"]
    groups = {document.group for document in steps.read(Path()) if not is_held_out_of("steps", document.group)}
    assert len(groups) > 10_000
    for item in arithmetic.TASKS[0].build(Materials()):
        left, sign, *right = item.id.split(" ")
        parts = [left, *right]
        if len(parts) == 2 and sign in "+×":
            parts = sorted(parts, key=int)
        assert (sign.join(parts) if len(parts) == 2 else item.id) not in groups

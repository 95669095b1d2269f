"""Statements of public data with their evidence, and whether it bears them out."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import random
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from owngpt.trust.language import Language
from owngpt.trust.sentences import split_sentences
from owngpt.trust.support import Statement

_NUM_FALSIFIED = 2_000  # sentences of one language
_SWAPPED = re.compile(r"\d+|\b[A-Z][a-z]{3,}\b|[\u30a1-\u30fa\u30fc]{3,}")


class Labelled(NamedTuple):
    """A statement of some data set."""

    language: Language
    source: str
    group: str  # what must not be divided between training and test
    statement: Statement
    is_supported: bool

    @property
    def is_train(self) -> bool:
        """Seven tenths are."""
        return int(hashlib.md5(self.group.encode()).hexdigest(), 16) % 10 < 7


def statements(data: Path) -> list[Labelled]:
    """All of them."""
    folder = data / "grounding"
    found = [*_fool_me_twice(folder), *_begin(folder), *_asdc(folder), *_jsick(folder)]
    with gzip.open(data / "qa" / "squad11_dev_part.json.gz") as file:
        found += _falsified("en", "SQuAD, falsified", json.load(file))
    with tarfile.open(data / "qa" / "jaquad_train.tar.gz") as archive:
        member = archive.extractfile("data/train/jaquad_train_0000.json")
        assert member is not None
        found += _falsified("ja", "JaQuAD, falsified", json.load(member))
    return found


def _fool_me_twice(folder: Path) -> Iterator[Labelled]:
    with gzip.open(folder / "fool_me_twice_dev.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            statement = Statement(row["text"], [evidence["text"] for evidence in row["gold_evidence"]])
            yield Labelled("en", "FoolMeTwice", row["wikipedia_page"], statement, row["label"] == "SUPPORTS")


def _begin(folder: Path) -> Iterator[Labelled]:
    for name in ("begin_dev_cmu.tsv.gz", "begin_dev_wow.tsv.gz"):
        with gzip.open(folder / name, "rt", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                is_supported = row["begin_label"] == "Fully attributable"
                statement = Statement(row["response"], [row["knowledge"]])
                yield Labelled("en", "BEGIN", row["knowledge"][:60], statement, is_supported)


def _asdc(folder: Path) -> Iterator[Labelled]:
    with gzip.open(folder / "asdc_correctness_train_dev.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            evidence = "\n".join([turn["text"] for turn in row["context"]] + row["sources"])
            if row["targets"]:
                statement = Statement(row["targets"][0], [evidence])
                yield Labelled("ja", "ASDC", evidence[:60], statement, bool(row["correct"]))


def _jsick(folder: Path) -> Iterator[Labelled]:
    with gzip.open(folder / "jsick_train.tsv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            statement = Statement(row["sentence_B_Ja"], [row["sentence_A_Ja"]])
            is_supported = row["entailment_label_Ja"] == "entailment"
            yield Labelled("ja", "JSICK", row["pair_ID"], statement, is_supported)


def _falsified(
    language: Language, name: str, document: dict[str, list[dict[str, list[dict[str, str]]]]]
) -> Iterator[Labelled]:
    """Sentences of paragraphs without some of their words: every second one with a number or a name of another."""
    shuffled = random.Random(0)
    texts = [paragraph["context"] for article in document["data"] for paragraph in article["paragraphs"]]
    strange = [word for text in texts for word in _SWAPPED.findall(text)]
    for number in range(_NUM_FALSIFIED):
        text = shuffled.choice(texts)
        said = shuffled.choice(split_sentences(text)).of(text)
        shortened = said[: max(12, int(len(said) * shuffled.uniform(0.5, 0.95)))].rstrip() + "…"
        words = _SWAPPED.findall(shortened)
        if not words:
            continue
        is_true = number % 2 == 0
        if not is_true:
            word = shuffled.choice(words)
            others = [other for other in strange if other not in text and other[0].isdigit() == word[0].isdigit()]
            shortened = shortened.replace(word, shuffled.choice(others), 1)
        yield Labelled(language, name, text[:60], Statement(shortened, [text]), is_true)

"""What the reader learns from: questions on passages, translations, claims with evidence, pairs of like sentences.

Reads the archives of the data folder. What is held out goes by source and group, as for all training and every
measurement (`owngpt/text/held_out.py`).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from owngpt.text.held_out import is_held_out_of
from owngpt.training.sources.archives import lines_of, members_of, text_of
from owngpt.training.sources.translation import po_pairs

Language = Literal["en", "ja"]
SQUAD, JAQUAD = "qa/squad11_dev_part.json.gz", "qa/jaquad_train.tar.gz"
MAX_TRANSLATION = 200  # characters of its English


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answer: `text` stands at character `start` of the passage number `passage`."""

    language: Language
    question: str
    passage: int
    start: int
    text: str


@dataclass(frozen=True, slots=True)
class Passages:
    """Paragraphs of articles and the questions that were asked about them."""

    texts: list[str]
    articles: list[str]  # of each text
    questions: list[Question]


@dataclass(frozen=True, slots=True)
class Translation:
    """The same in both languages."""

    english: str
    japanese: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement, a passage, and whether the passage bears the statement out."""

    language: Language
    source: str
    text: str
    evidence: str
    is_supported: bool


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two sentences and how alike people found them, 0 to 1."""

    first: str
    second: str
    score: float


def read_passages(data: Path, *, held_out: bool) -> Passages:
    """SQuAD (held out by paragraph) and JaQuAD (by article), either those to learn from or those that are held out."""
    found = Passages([], [], [])
    for article in _articles(data / SQUAD):
        for index, paragraph in enumerate(article["paragraphs"]):
            if is_held_out_of("squad", f"{article['title']}/{index}") is held_out:
                _add(found, "en", article["title"], paragraph)
    for article in _articles(data / JAQUAD):
        if is_held_out_of("jaquad", article["title"]) is held_out:
            for paragraph in article["paragraphs"]:
                _add(found, "ja", article["title"], paragraph)
    return found


def _articles(path: Path) -> Iterator[Any]:
    if path.name.endswith(".tar.gz"):
        for member in members_of(path, r"\.json$"):
            yield from json.loads(member.data)["data"]
    else:
        yield from json.loads(text_of(path))["data"]


def _add(found: Passages, language: Language, article: str, paragraph: Any) -> None:
    for asked in paragraph["qas"]:
        answer = asked["answers"][0]
        found.questions.append(
            Question(language, asked["question"], len(found.texts), answer["answer_start"], answer["text"])
        )
    found.texts.append(paragraph["context"])
    found.articles.append(article)


def read_translations(data: Path, *, held_out: bool = False) -> list[Translation]:
    """Tatoeba, the Tanaka corpus, meetings, Python's documentation; each pair once."""
    found = chain(_tatoeba(data), _tanaka(data), _meetings(data), _python_docs(data))
    kept = [pair for source, group, pair in found if is_held_out_of(source, group) is held_out]
    return list(dict.fromkeys(kept))


def _tatoeba(data: Path) -> Iterator[tuple[str, str, Translation]]:
    for line in lines_of(data / "mt/tatoeba_eng_jpn.tsv.gz"):
        english, japanese = line.split("\t")[:2]
        yield "tatoeba", english, Translation(english, japanese)


def _tanaka(data: Path) -> Iterator[tuple[str, str, Translation]]:
    english, japanese = (lines_of(data / f"mt/small_parallel_enja.train.{language}.gz") for language in ("en", "ja"))
    for first, second in zip(english, japanese, strict=True):
        yield "tanaka", first, Translation(first, second.replace(" ", ""))


def _meetings(data: Path) -> Iterator[tuple[str, str, Translation]]:
    for meeting in json.loads(text_of(data / "mt/ami_parallel_dev.json.gz")):
        for turn in meeting["conversation"]:
            yield "ami", meeting["id"], Translation(turn["en_sentence"], turn["ja_sentence"])


def _python_docs(data: Path) -> Iterator[tuple[str, str, Translation]]:
    for member in members_of(data / "mt/python_docs_ja_po.tar.gz", r"\.po$"):
        for english, japanese in po_pairs(member.text):
            if 15 <= len(english) <= MAX_TRANSLATION:
                yield "python-docs", member.path, Translation(english, japanese)


def read_claims(data: Path, *, held_out: bool) -> list[Claim]:
    """FoolMeTwice, BEGIN (English), ASDC, JSICK (Japanese): labelled by people, or made from what they labelled."""
    folder = data / "grounding"
    found = chain(_fool_me_twice(folder), _begin(folder), _asdc(folder), _jsick(folder))
    return [claim for group, claim in found if is_held_out_of(claim.source, group) is held_out]


def _fool_me_twice(folder: Path) -> Iterator[tuple[str, Claim]]:
    for line in lines_of(folder / "fool_me_twice_dev.jsonl.gz"):
        row = json.loads(line)
        evidence = " ".join(found["text"] for found in row["gold_evidence"])
        yield row["id"], Claim("en", "fool-me-twice", row["text"], evidence, row["label"] == "SUPPORTS")


def _begin(folder: Path) -> Iterator[tuple[str, Claim]]:
    for name in ("cmu", "wow"):
        for row in _table(folder / f"begin_dev_{name}.tsv.gz"):
            is_supported = row["begin_label"] == "Fully attributable"
            yield row["knowledge"], Claim("en", "begin", row["response"], row["knowledge"], is_supported)


def _asdc(folder: Path) -> Iterator[tuple[str, Claim]]:
    for line in lines_of(folder / "asdc_correctness_train_dev.jsonl.gz"):
        row = json.loads(line)
        if row["targets"]:
            said = "\n".join([*(turn["text"] for turn in row["context"]), *row["sources"]])
            yield said, Claim("ja", "asdc-correct", "".join(row["targets"]), said, bool(row["correct"]))


def _jsick(folder: Path) -> Iterator[tuple[str, Claim]]:
    for row in _table(folder / "jsick_train.tsv.gz"):
        is_supported = row["entailment_label_Ja"] == "entailment"
        claim = Claim("ja", "jsick", row["sentence_B_Ja"], row["sentence_A_Ja"], is_supported)
        yield row["sentence_A_Ja"], claim


def _table(path: Path) -> Iterator[dict[str, str]]:
    return csv.DictReader(lines_of(path), delimiter="\t", quoting=csv.QUOTE_NONE)


def read_likenesses(data: Path, *, held_out: bool = False) -> list[Likeness]:
    """JSTS, Japanese."""
    rows = map(json.loads, lines_of(data / "qa/jsts_train_clean.jsonl.gz"))
    found = (Likeness(row["sentence1"], row["sentence2"], row["label"] / 5) for row in rows)
    return [pair for pair in found if is_held_out_of("jsts", pair.first) is held_out]

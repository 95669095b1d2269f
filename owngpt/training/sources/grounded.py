"""Answers that stand in a text, with the words that prove them; and what a text supports or does not."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from owngpt.text.held_out import is_held_out_of
from owngpt.text.prompts import NOT_IN_TEXT, SUPPORTED, Language, answer_from, extract, quoted, support
from owngpt.text.quotes import DOUBLE
from owngpt.text.sentences import sentences
from owngpt.training.documents import Document, keys_of
from owngpt.training.sources.archives import lines_of, text_of
from owngpt.training.sources.questions import json_files, squad_group
from owngpt.training.sources.talk import answered, any_variant

PASSAGE_CHARACTERS: dict[Language, int] = {"en": 700, "ja": 320}  # shown around an answer, in whole sentences
QUOTE_CHARACTERS: dict[Language, int] = {"en": 60, "ja": 30}  # of a proof, in whole words
ABSENT_SHARE = 0.25  # of the questions are asked of another passage
_WORD = re.compile(r"[A-Za-z0-9][\w'’.,\-]*|[\u3041-\u3096]+|[\u30a1-\u30fa\u30fc]+|[\u3400-\u9fff々〇]+|\S")


class Asked(NamedTuple):
    """A question over a passage, and where its answer begins there."""

    group: str
    passage: str
    question: str
    answer: str
    start: int


def read_quoted(
    archive: str, source: str, language: Language, *, by_paragraph: bool
) -> Callable[[Path], Iterator[Document]]:
    """A reader for SQuAD's layout: every question, answered with a quote or alone, or asked where nothing answers."""

    def read(path: Path) -> Iterator[Document]:
        sides: dict[bool, list[Asked]] = {False: [], True: []}  # by whether they are held out
        for file in json_files(path):
            for one in _questions(file, by_paragraph):
                sides[is_held_out_of(source, one.group)].append(one)
        for asked in sides.values():
            for index, one in enumerate(asked):
                yield _document(source, one, asked, language, Random(f"{archive}{index}{one.question}"))

    return read


def _questions(file: Any, by_paragraph: bool) -> Iterator[Asked]:
    for article in file["data"]:
        for index, paragraph in enumerate(article["paragraphs"]):
            group = squad_group(article, index, by_paragraph)
            for item in paragraph["qas"]:
                first = item["answers"][0]
                yield Asked(group, paragraph["context"], item["question"].strip(), first["text"], first["answer_start"])


def _document(source: str, one: Asked, others: Sequence[Asked], language: Language, rng: Random) -> Document:
    passage, answer = window(one, PASSAGE_CHARACTERS[language]), one.answer
    is_quoted = rng.random() < 0.6
    question = _strange(passage, others, rng) if rng.random() < ABSENT_SHARE else None
    if question is not None:
        answer = NOT_IN_TEXT[language]
    else:
        question = one.question
        if is_quoted and (proof := proof_of(passage, answer, QUOTE_CHARACTERS[language])):
            answer = quoted(answer, proof, language)
    ask = answer_from if is_quoted else extract
    asked = ask(passage, question, language, variant=any_variant(rng))
    return Document(source, one.group, messages=answered(asked, answer))


def _strange(passage: str, others: Sequence[Asked], rng: Random) -> str | None:
    """A question of the same side of the split whose answer does not stand in the passage; None if none is found."""
    tried = (rng.choice(others) for _ in range(20))
    return next((other.question for other in tried if other.answer not in passage), None)


def window(one: Asked, limit: int) -> str:
    """The sentence with the answer and its neighbours, as many as fit into `limit` characters."""
    spans = list(sentences(one.passage))
    end = one.start + len(one.answer)
    first = max((n for n, span in enumerate(spans) if span[0] <= one.start), default=0)
    last = next((n for n, span in enumerate(spans) if span[1] >= end), len(spans) - 1)
    last = max(first, last)
    while True:
        before = first > 0 and spans[last][1] - spans[first - 1][0] <= limit
        behind = last < len(spans) - 1 and spans[last + 1][1] - spans[first][0] <= limit
        if behind and (not before or last - first < 3):
            last += 1
        elif before:
            first -= 1
        else:
            return one.passage[spans[first][0] : spans[last][1]]


def proof_of(passage: str, answer: str, limit: int) -> str:
    """Whole words around the answer, up to `limit` characters more, without quotation marks; "" if it has some."""
    start = passage.find(answer)
    if start < 0 or any(mark in answer for mark in DOUBLE):
        return ""
    end = start + len(answer)
    left = max([start - limit // 2, 0, *(passage.rfind(mark, 0, start) + 1 for mark in f"{DOUBLE}\n。")])
    rights = [passage.find(mark, end) for mark in f"{DOUBLE}\n。"]
    right = min([end + limit // 2, len(passage), *(place for place in rights if place >= 0)])
    words = [match.span() for match in _WORD.finditer(passage)]
    begins = min((word[0] for word in words if left <= word[0] <= start), default=start)
    ends = max((word[1] for word in words if end <= word[1] <= right), default=end)
    return passage[begins:ends].strip()


def read_pubmedqa(path: Path) -> Iterator[Document]:
    """Questions on medical abstracts, cut to their last parts, with the authors' conclusion."""
    for key, item in json.loads(text_of(path)).items():
        context, answer = item["CONTEXTS"][-1].strip(), " ".join(item["LONG_ANSWER"].split())
        if len(context) + len(answer) <= 1600:
            verdict = item["final_decision"].capitalize()
            asked = extract(context, item["QUESTION"], "en", variant=any_variant(Random(key)))
            yield Document("pubmedqa", key, messages=answered(asked, f"{verdict}. {answer}"))


def read_tatqa(path: Path) -> Iterator[Document]:
    """Questions over a table of an annual report, and over the text beside it."""
    for report in json.loads(text_of(path)):
        table = "\n".join(" | ".join(row) for row in report["table"]["table"])
        texts = {str(part["order"]): part["text"] for part in report["paragraphs"]}
        for item in report["questions"]:
            passage = "\n".join([table, *(texts[number] for number in item["rel_paragraphs"])])
            if len(passage) <= 1200:
                asked = extract(passage, item["question"], "en", variant=any_variant(Random(item["uid"])))
                yield Document("tatqa", report["table"]["uid"], messages=answered(asked, _table_answer(item)))


def _table_answer(item: Any) -> str:
    answer = item["answer"]
    text = ", ".join(map(str, answer)) if isinstance(answer, list) else str(answer)
    text = f"{text} {item['scale']}".strip()
    return f"{item['derivation']} = {text}" if item["answer_type"] == "arithmetic" else text


def _supports(source: str, group: str, passage: str, statement: str, is_so: bool, language: Language) -> Document:
    asked = support(passage, statement, language)
    return Document(source, group, messages=answered(asked, SUPPORTED[language][is_so]))


def read_begin(path: Path) -> Iterator[Document]:
    """Replies of chat models, and whether what they knew bears them out."""
    for row in csv.DictReader(StringIO(text_of(path)), delimiter="\t", quoting=csv.QUOTE_NONE):
        is_so = row["begin_label"].startswith("Fully")
        yield _supports("begin", row["knowledge"], row["knowledge"], row["response"], is_so, "en")


def read_fool_me_twice(path: Path) -> Iterator[Document]:
    """Claims that were written to be hard to judge, with the sentences that decide them."""
    for item in map(json.loads, lines_of(path)):
        evidence = " ".join(part["text"] for part in item["gold_evidence"])
        yield _supports("fool-me-twice", item["id"], evidence, item["text"], item["label"] == "SUPPORTS", "en")


def read_jsick(path: Path) -> Iterator[Document]:
    """Pairs of Japanese sentences, and whether the second follows."""
    for row in csv.DictReader(StringIO(text_of(path)), delimiter="\t", quoting=csv.QUOTE_NONE):
        is_so = row["entailment_label_Ja"] == "entailment"
        yield _supports("jsick", row["sentence_A_Ja"], row["sentence_A_Ja"], row["sentence_B_Ja"], is_so, "ja")


def read_asdc_correctness(path: Path) -> Iterator[Document]:
    """What a customer said at a travel desk, and statements that follow from it or not."""
    for item in map(json.loads, lines_of(path)):
        said = "\n".join([*(turn["text"] for turn in item["context"]), *item["sources"]])
        judged = _supports("asdc-correct", said, said, "".join(item["targets"]), item["correct"], "ja")
        yield replace(judged, keys=keys_of("".join(item["sources"])))

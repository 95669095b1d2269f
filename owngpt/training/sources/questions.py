"""Questions with their answers: over a passage, by common sense, in small steps, about countries."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from owngpt.text.prompts import Language, extract
from owngpt.training.documents import Document
from owngpt.training.sources.archives import lines_of, members_of, text_of
from owngpt.training.sources.talk import answered, any_variant, exchange, with_system

MAX_PASSAGE = 700  # characters; a longer passage would not fit a training row together with its questions
COUNTRY_FACTS = (
    ("Government/Capital/name", "What is the capital of {country}?", "The capital of {country} is {fact}."),
    ("Geography/Location", "Where is {country}?", "{country} is in {fact}."),
    ("People and Society/Languages/Languages", "What languages are spoken in {country}?", "{fact}."),
    ("Geography/Climate", "What is the climate of {country} like?", "The climate of {country} is {fact}."),
    ("People and Society/Population/total", "How many people live in {country}?", "About {fact} people."),
    ("Economy/Exchange rates/Currency", "What money is used in {country}?", "{fact}"),
)


def read_squad(source: str, language: Language, *, by_paragraph: bool = False) -> Callable[[Path], Iterator[Document]]:
    """A reader for SQuAD's layout (SQuAD, JaQuAD): the passages themselves, and a talk over each of the shorter ones.

    The split goes by article, or by paragraph where there are too few articles.
    """

    def read(path: Path) -> Iterator[Document]:
        for file in json_files(path):
            for article in file["data"]:
                for index, paragraph in enumerate(article["paragraphs"]):
                    group = squad_group(article, index, by_paragraph)
                    yield Document(f"{source}-text", group, paragraph["context"].strip())
                    yield from _passage_questions(source, language, group, paragraph)

    return read


def squad_group(article: Any, index: int, by_paragraph: bool) -> str:
    """The group of the paragraph at `index` of an article."""
    return f"{article['title']}/{index}" if by_paragraph else str(article["title"])


def json_files(path: Path) -> Iterator[Any]:
    """The parsed files of an archive, or the one gzipped file that it is."""
    if path.name.endswith(".tar.gz"):
        yield from (json.loads(member.data) for member in members_of(path, r"\.json$"))
    else:
        yield json.loads(text_of(path))


def _passage_questions(source: str, language: Language, group: str, paragraph: Any) -> Iterator[Document]:
    passage = paragraph["context"].strip()
    if len(passage) <= MAX_PASSAGE and paragraph["qas"]:
        rng = Random(passage)
        first, *others = rng.sample(paragraph["qas"], min(3, len(paragraph["qas"])))
        asked = extract(passage, first["question"], language, variant=any_variant(rng))
        messages = answered(asked, first["answers"][0]["text"])
        for other in others:
            messages += exchange(other["question"], other["answers"][0]["text"])
        yield Document(source, group, messages=with_system(messages, rng))


def read_jcommonsenseqa(path: Path) -> Iterator[Document]:
    """Japanese questions of common sense; answered from five choices, or freely."""
    for line in lines_of(path):
        item = json.loads(line)
        rng = Random(item["q_id"])
        choices = [item[f"choice{index}"] for index in range(5)]
        listed = "、".join(choices)
        question = item["question"] if rng.random() < 0.4 else f"{item['question']}\n選択肢: {listed}"
        answer = f"{choices[item['label']]}です。"
        messages = with_system(exchange(question, answer), rng)
        yield Document("jcommonsenseqa", str(item["q_id"]), messages=messages)


def read_gsm8k(path: Path) -> Iterator[Document]:
    """Grade-school problems solved in small steps; the calculator marks are dropped."""
    for index, line in enumerate(lines_of(path)):
        item = json.loads(line)
        steps, _, result = re.sub(r"<<.*?>>", "", item["answer"]).partition("\n#### ")
        messages = exchange(item["question"], f"{steps}\nThe answer is {result}.")
        yield Document("gsm8k", str(index), messages=with_system(messages, Random(index)))


def read_explained(source: str) -> Callable[[Path], Iterator[Document]]:
    """A reader for FLAN's chain-of-thought files: question, answer, and the reason."""

    def read(path: Path) -> Iterator[Document]:
        for index, line in enumerate(lines_of(path)):
            question, answer, reason = (field.replace("\\n", "\n").strip() for field in line.split("\t"))
            answer = answer[0].upper() + answer[1:]
            messages = exchange(question, f"{reason} The answer is: {answer}")
            yield Document(source, str(index), messages=with_system(messages, Random(index)))

    return read


def read_seed_tasks(path: Path) -> Iterator[Document]:
    """Self-Instruct's human-written tasks."""
    for line in lines_of(path):
        task = json.loads(line)
        for instance in task["instances"][:1]:
            question = f"{task['instruction']}\n\n{instance['input']}".strip()
            yield Document("seed-tasks", task["id"], messages=exchange(question, instance["output"]))


def read_factbook(path: Path) -> Iterator[Document]:
    """Facts about countries, one question each."""
    for member in members_of(path, r"/\w+\.json$"):
        country = json.loads(member.data)
        name = _fact(country, "Government/Country name/conventional short form")
        if name and name != "none" and len(name) < 40:
            yield from _country_questions(member.path, name, country)


def _country_questions(group: str, name: str, country: Any) -> Iterator[Document]:
    for place, question, answer in COUNTRY_FACTS:
        fact = _fact(country, place)
        if fact and len(fact) < 200:
            words = {"country": name, "fact": fact}
            messages = with_system(exchange(question.format(**words), answer.format(**words)), Random(name + place))
            yield Document("factbook", f"{group}/{place}", messages=messages)


def _fact(country: Any, place: str) -> str:
    for key in place.split("/"):
        country = country.get(key, {})
    text = html.unescape(re.sub(r"<[^>]+>", "", country.get("text", "")))
    return re.split(r";|\(| per US dollar", text)[0].strip().removesuffix(" -")

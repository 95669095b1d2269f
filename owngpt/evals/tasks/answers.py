"""Questions over a passage, answered in its words: SQuAD and JaQuAD. Every fifth has no answer there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from owngpt.evals.graders import answer_exact, answer_f1, recall_of
from owngpt.evals.task import Answer, Item, Task
from owngpt.evals.tasks.materials import Materials
from owngpt.text.held_out import is_held_out_of
from owngpt.text.prompts import NOT_IN_TEXT, Language, extract, read_quoted
from owngpt.trust.sentences import split_sentences
from owngpt.trust.terms import coverage, terms

NUM_ITEMS = 300
LONGEST: dict[Language, int] = {"en": 900, "ja": 450}  # characters of a passage
_ABSENT_EVERY = 5


class Question(NamedTuple):
    """A question, the paragraph that answers it, and the answers that people gave."""

    paragraph: str  # its name
    passage: str
    text: str
    answers: tuple[str, ...]


def paragraphs(materials: Materials, language: Language) -> Iterator[tuple[str, str, Any]]:
    """(group, name, paragraph) of all paragraphs of SQuAD or JaQuAD, held out or not; groups as in training."""
    if language == "en":
        for article in materials.json("qa/squad11_dev_part.json.gz")["data"]:
            for index, paragraph in enumerate(article["paragraphs"]):
                yield f"{article['title']}/{index}", f"{article['title']}/{index}", paragraph
        return
    for _, text in materials.members("qa/jaquad_train.tar.gz", ".json"):
        for article in json.loads(text)["data"]:
            for index, paragraph in enumerate(article["paragraphs"]):
                yield article["title"], f"{article['title']}/{index}", paragraph


def questions(materials: Materials, language: Language) -> list[Question]:
    """Of held-out paragraphs, in an order that follows from their texts."""
    source = "squad" if language == "en" else "jaquad"
    found = [
        Question(name, paragraph["context"], item["question"].strip(), _answers(item))
        for group, name, paragraph in paragraphs(materials, language)
        if is_held_out_of(source, group)
        for item in paragraph["qas"]
    ]
    return sorted(found, key=lambda one: sha256(f"{one.paragraph}{one.text}".encode()).digest())


def _answers(item: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(answer["text"] for answer in item["answers"]))


def _build(language: Language) -> Callable[[Materials], list[Item]]:
    def build(materials: Materials) -> list[Item]:
        short = [one for one in questions(materials, language) if len(one.passage) <= LONGEST[language]]
        return [_item(number, short, language) for number in range(min(NUM_ITEMS, len(short)))]

    return build


def _item(number: int, asked: Sequence[Question], language: Language) -> Item:
    one = asked[number]
    passage, references, has_answer = one.passage, one.answers, 1
    if number % _ABSENT_EVERY == _ABSENT_EVERY - 1:
        passage, references, has_answer = _strange(number, asked), (NOT_IN_TEXT[language],), 0
    fields = {"passage": passage, "question": one.text, "language": language}
    return Item(
        str(number), extract(passage, one.text, language), references=references, label=has_answer, fields=fields
    )


def _strange(number: int, asked: Sequence[Question]) -> str:
    """The passage of a later question that has none of this one's answers in it."""
    one = asked[number]
    others = (asked[(number + step) % len(asked)] for step in range(1, len(asked)))
    return next(other.passage for other in others if not any(answer in other.passage for answer in one.answers))


def _said(item: Item, answer: Answer) -> Answer:
    """Without the proof, where one was given."""
    return Answer(read_quoted(answer.text).answer)


def has_answer(item: Item) -> bool:
    """Whether the passage answers the question."""
    return item.label == 1


def best_sentence(items: Sequence[Item]) -> list[Answer]:
    """The sentence that has most of the question's words."""
    return [Answer(_best(item.fields["passage"], item.fields["question"])) for item in items]


def _best(passage: str, question: str) -> str:
    wanted = terms(question)
    return max(
        (span.of(passage) for span in split_sentences(passage)), key=lambda text: coverage(wanted, terms(text), {})
    )


def _task(language: Language, title: str, title_ja: str) -> Task:
    metrics = (
        recall_of("F1", has_answer, lambda item, answer: answer_f1(item, _said(item, answer))),
        recall_of("exact match", has_answer, lambda item, answer: answer_exact(item, _said(item, answer))),
        recall_of("no-answer recall", lambda item: not has_answer(item), answer_exact),
    )
    baselines = {"best sentence": best_sentence}
    return Task(f"qa.{language}", title, title_ja, metrics, baselines, _build(language), "data", max_tokens=64)


TASKS = (
    _task("en", "Questions over a passage, English", "文章に基づく質問応答（英語）"),
    _task("ja", "Questions over a passage, Japanese", "文章に基づく質問応答（日本語）"),
)

"""A customer's own questions: how each would be answered from its documents, and whether that is right."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from owngpt.errors import InvalidRequest
from owngpt.evals.questions import BM25
from owngpt.trust.answering import Question, Source
from owngpt.trust.calibrate import Outcome
from owngpt.trust.extract import best, rank
from owngpt.trust.language import Language, language_of
from owngpt.trust.vectors import Embed

NUM_PASSAGES = 8  # that a question is answered from


@dataclass(frozen=True, slots=True)
class OwnQuestion:
    """A question, and what its answer must contain; None: the documents do not answer it."""

    text: str
    answer: str | None
    file: str | None  # that holds the answer, relative to the questions


def read_questions(file: Path) -> list[OwnQuestion]:
    """JSON lines of `question`, `answer` (a string or null) and `file`. Raises `InvalidRequest` that names the line."""
    return [_question(json_line, f"{file.name}, line {number}") for number, json_line in _lines(file)]


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            yield number, line


def _question(line: str, where: str) -> OwnQuestion:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InvalidRequest(f"{where} is not JSON: {error}") from None
    if not isinstance(row, Mapping):
        raise InvalidRequest(f"{where} is no JSON object")
    question, answer, file = row.get("question"), row.get("answer"), row.get("file")
    if not isinstance(question, str) or not question.strip():
        raise InvalidRequest(f"{where}: 'question' must be text")
    for name, value in (("answer", answer), ("file", file)):
        if value is not None and not isinstance(value, str):
            raise InvalidRequest(f"{where}: {name!r} must be text or null")
    if answer is not None and not plain(answer):
        raise InvalidRequest(f"{where}: 'answer' is empty; null says that there is none")
    return OwnQuestion(question, answer, file)


async def ask_all(
    questions: Sequence[OwnQuestion],
    passages: Sequence[str],
    embed_for: Callable[[str], Embed | None] = lambda question: None,
) -> dict[Language, list[Outcome]]:
    """Every question, answered from what a search over all passages finds, by its language.

    `embed_for` a question is what compares it with sentences, if anything does.
    """
    index, found = BM25(passages), dict[Language, list[Outcome]]()
    for question in questions:
        hits = index.search(question.text, NUM_PASSAGES)
        texts = [passages[number] for number, _ in hits]
        ranking = await rank(Question(question.text, [Source(text) for text in texts]), embed_for(question.text))
        said = " ".join(one.span.of(texts[one.source]) for one in best(ranking.candidates, texts))
        is_right = question.answer is not None and plain(question.answer) in plain(said)
        found.setdefault(language_of(question.text), []).append(Outcome(ranking.confidence, is_right))
    return found


def plain(text: str) -> str:
    """For comparing answers: width, case and white space do not count."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def as_json(found: Any) -> dict[str, Any]:
    """Of a calibration."""
    return {
        "threshold": found.threshold,
        "num_questions": found.num_questions,
        "answered": round(found.answered, 4),
        "false_answers": round(found.rate, 4),
        "bound": round(found.bound, 4),
        "confidence": found.confidence,
        "of": found.of,
    }

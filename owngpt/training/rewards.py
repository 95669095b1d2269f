"""Rewards that can be checked without a judge: the right number, exact quotes, code that passes its tests.

Every reward lies between 0 and 1 and depends on the text alone. An answer is worth nothing if its form cannot be read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from owngpt.text.prompts import NOT_IN_TEXT, read_final, read_quoted
from owngpt.text.quotes import PAIRS
from owngpt.training.corpus import held_out_file, read_manifest, train_file
from owngpt.training.documents import Document, read_documents
from owngpt.training.openai_data import read_lines, to_messages
from owngpt.training.sandbox import passes
from owngpt.types import Message

QUOTE_SHARE = 0.2  # of the reward of a quoted answer: for a true quote that holds it; the rest is for the answer
QUOTE_CHARACTERS = 200  # a longer quote proves nothing in particular
_CODE = re.compile(r"```(?:python)?\n(.*?)(?:```|\Z)", re.DOTALL)
_SPAN = re.compile("|".join(rf"{re.escape(a)}\[(\d+)\] ([^{re.escape(b)}]*){re.escape(b)}" for a, b in PAIRS))
_WORD = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is asked, and what an answer is worth."""

    messages: tuple[Message, ...]
    reward: Callable[[str], float]


def number_reward(result: str) -> Callable[[str], float]:
    """1 where the last line gives this number (`prompts.final_line`), in any spelling: 12, 12.0 and 24/2 are one."""
    expected = _number(result)
    return lambda text: float(expected is not None and _number(read_final(text)) == expected)


def quote_reward(passage: str, answer: str | None) -> Callable[[str], float]:
    """For an answer with its proof (`prompts.quoted`): nothing unless every quoted span stands in the passage and has
    its number, 1, and one holds the answer; then by how much of the right answer is given.

    `answer` None: the passage does not say, and only saying so, in either language, is worth 1.
    """

    def reward(text: str) -> float:
        if answer is None or text.strip() in NOT_IN_TEXT.values():
            return float(answer is None and text.strip() in NOT_IN_TEXT.values())
        said, quotes = read_quoted(text).answer, spans(text)
        is_true = all(number == 1 and quote and quote in passage for number, quote in quotes)
        is_proof = any(said and said in quote and len(quote) <= QUOTE_CHARACTERS for _, quote in quotes)
        return QUOTE_SHARE + (1 - QUOTE_SHARE) * overlap(said, answer) if is_true and is_proof else 0.0

    return reward


def code_reward(tests: Sequence[str]) -> Callable[[str], float]:
    """1 where the last block of Python passes all tests (`sandbox.py` says in which circumstances)."""

    def reward(text: str) -> float:
        blocks = _CODE.findall(text)
        return float(bool(blocks) and passes(blocks[-1], tuple(tests)))

    return reward


def spans(text: str) -> list[tuple[int, str]]:
    """The quoted spans of an answer, with the number of the passage that each names."""
    found = ([group for group in match.groups() if group is not None] for match in _SPAN.finditer(text))
    return [(int(number), quote) for number, quote in found]


def overlap(said: str, expected: str) -> float:
    """F1 of words; of characters where there are no spaces, as in Japanese."""
    one, other = (Counter(_WORD.findall(text.lower())) for text in (said, expected))
    common = sum((one & other).values())
    return 2 * common / (sum(one.values()) + sum(other.values())) if common else 0.0


def read_problems(path: Path) -> list[Problem]:
    """JSON Lines with `messages` and one of: `number`; `passage` with `answer` (null: it does not say); `tests`."""
    return list(read_lines(path, _problem))


def corpus_problems(corpus: Path, *, is_held_out: bool = False) -> Iterator[Problem]:
    """Those of a corpus' conversations that can be checked, one source after the other in turn: solutions that end with
    a number, and answers with a quote."""
    file = held_out_file if is_held_out else train_file
    streams = [
        (problem for document in read_documents(file(corpus, source.name)) if (problem := problem_of(document)))
        for source in read_manifest(corpus)
        if source.kind == "chat"
    ]
    while streams:
        found = [(stream, next(stream, None)) for stream in streams]
        yield from (problem for _, problem in found if problem is not None)
        streams = [stream for stream, problem in found if problem is not None]


def problem_of(document: Document) -> Problem | None:
    """A question with one answer that can be checked; None for other conversations."""
    if [message.role for message in document.messages] != ["user", "assistant"]:
        return None
    question, answer = document.messages
    passage = question.content.rpartition("\n\n")[0]  # the question stands behind it
    if result := read_final(answer.content):
        return Problem((question,), number_reward(result))
    if spans(answer.content):
        return Problem((question,), quote_reward(passage, read_quoted(answer.content).answer))
    if answer.content in NOT_IN_TEXT.values():
        return Problem((question,), quote_reward(passage, None))
    return None


def _problem(item: Any) -> Problem:
    messages = to_messages(item["messages"], "messages")
    if "number" in item:
        return Problem(messages, number_reward(str(item["number"])))
    if "passage" in item:
        return Problem(messages, quote_reward(str(item["passage"]), item["answer"]))
    if "tests" in item:
        return Problem(messages, code_reward([str(test) for test in item["tests"]]))
    raise ValueError("one of number, passage or tests must say what is right")


def _number(text: str | None) -> Fraction | None:
    try:
        return Fraction(text.replace(",", "")) if text else None
    except (ValueError, ZeroDivisionError):
        return None

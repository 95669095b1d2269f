"""Small helpers that turn a question and its answer into a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from owngpt.types import Message

MEASURED_SHARE = 0.4  # of the requests are worded as evaluations word them
SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are Garlic, a small assistant.",
    "You are a friendly assistant. Answer briefly.",
    "あなたは役に立つアシスタントです。",
    "あなたは親切なアシスタントです。簡潔に答えてください。",
)


def exchange(question: str, answer: str) -> tuple[Message, ...]:
    """One question and its answer."""
    return (Message("user", question), Message("assistant", answer))


def answered(asked: Sequence[Message], answer: str) -> tuple[Message, ...]:
    """A request of `text/prompts.py` and its answer."""
    return (*asked, Message("assistant", answer))


def any_variant(rng: Random) -> int:
    """Which wording to ask in: often the first one, which is the one that is measured."""
    return 0 if rng.random() < MEASURED_SHARE else rng.randrange(1, 8)


def with_system(messages: Sequence[Message], rng: Random, share: float = 0.15) -> tuple[Message, ...]:
    """The conversation, opened by a general system prompt in `share` of the cases."""
    opening = (Message("system", rng.choice(SYSTEM_PROMPTS)),) if rng.random() < share else ()
    return (*opening, *messages)

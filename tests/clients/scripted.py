"""Scripted models: what they say where a test needs words, or the right tool, that no tiny model would find.

A scripted model does not obey its constraint, so it is checked instead: an answer that the request's grammar would
not have let through fails the test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llguidance import LLMatcher

from owngpt.service.app import App
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Constraint
from tests.fakes.engine import Submission, engine_of, make_app

Rule = tuple[str, str]  # a pattern of the rendered prompt, and what is said to it


def call(name: str, **arguments: Any) -> str:
    """How a Hermes or Qwen model calls a tool."""
    body = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"


WORLD: tuple[Rule, ...] = (
    (r"<\|im_start\|>tool\n", "It is sunny in 東京."),
    (r'"shell"', call("shell", input="ls -l")),
    ("both", call("get_weather", city="Paris") + "\n" + call("get_weather", city="東京")),
    ("weather", call("get_weather", city="東京")),
    ("Who wrote", '{"title": "三四郎", "year": 1908}'),
    ("think", "<think>\nFirst, breathe.\n</think>\n\n42"),
    ("long", "word " * 200),
)


def scripted_app(*rules: Rule, otherwise: str = "Hello!", **options: Any) -> App:
    """An App with the model `fake`, which says what the first rule that fits its prompt tells it to say."""
    app = make_app(**options)
    engine = engine_of(app)
    engine.script = Scripted(engine.tokenizer, rules, otherwise)
    return app


@dataclass(frozen=True)
class Scripted:
    """A script by rules, held to the request's grammar."""

    tokenizer: Tokenizer
    rules: Sequence[Rule]
    otherwise: str

    def __call__(self, submission: Submission) -> str:
        prompt = self.tokenizer.decode(submission.prompt, skip_special=False)
        fitting = (answer for pattern, answer in self.rules if re.search(pattern, prompt, re.DOTALL))
        answer = next(fitting, self.otherwise)
        if submission.constraint is not None:
            self._check(answer, submission.constraint)
        return answer

    def _check(self, answer: str, constraint: Constraint) -> None:
        matcher = LLMatcher(self.tokenizer.llg, constraint.grammar)
        assert not matcher.is_error(), matcher.get_error()
        is_allowed = matcher.consume_tokens(self.tokenizer.encode(answer)) and matcher.is_accepting()
        assert is_allowed, f"the grammar of {constraint.param} does not allow {answer!r}:\n{constraint.grammar}"

"""What is asked: prompts short and long, some of which begin alike or repeat themselves, sampled in every way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

from owngpt.text.chat import ChatRenderer
from owngpt.text.grammar import ResponseFormat, tools_constraint
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Constraint, SamplingParams

_SCHEMAS: tuple[dict[str, Any], ...] = (
    {
        "type": "object",
        "properties": {"city": {"enum": ["Kyoto", "京都"]}, "n": {"type": "integer"}},
        "required": ["city", "n"],
        "additionalProperties": False,
    },
    {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 5},
    {"type": "string", "maxLength": 12},
)
_FEW_TOKENS, MANY_TOKENS = 16, 80  # of an answer; long ones outgrow the blocks that they got with their prompts


@dataclass(frozen=True, slots=True)
class Case:
    """One request. `namespace`: requests of one may find each other's prefixes in the cache."""

    prompt: tuple[int, ...]
    sampling: SamplingParams
    constraint: Constraint | None
    namespace: str


class Maker:
    """Makes cases for a tokenizer; the same ones for the same `seed`. No prompt has more than `longest` tokens."""

    def __init__(self, tokenizer: Tokenizer, chat: ChatRenderer, longest: int, seed: int = 0) -> None:
        self._tokenizer, self._chat, self._longest, self._random = tokenizer, chat, longest, Random(seed)
        self._plain = [i for i in range(tokenizer.vocab_size) if i not in tokenizer.special_ids]
        self._documents = [self._noise(longest) for _ in range(20)]
        self._constraints = [self._constraint(schema) for schema in _SCHEMAS]

    def cases(self, number: int) -> list[Case]:
        """That many."""
        return [self._case() for _ in range(number)]

    def _case(self) -> Case:
        random = self._random
        prompt = tuple(self._prompt())
        sampling = self._sampling()
        constraint = random.choice(self._constraints) if random.random() < 0.2 else None
        if random.random() < 0.1:
            sampling = replace(sampling, thinking=self._chat.thinking(prompt, random.randint(0, 6)))
        return Case(prompt, sampling, constraint, random.choice(("one", "one", "two")))

    def _prompt(self) -> list[int]:
        random = self._random
        length = max(1, round(self._longest ** random.random()))  # as many short ones as long ones
        kind = random.randrange(3)
        if kind == 0:
            return self._noise(length)
        if kind == 1:  # what others begin with, too
            tail = self._noise(random.randint(0, 4))
            return [*random.choice(self._documents)[:length], *tail][: self._longest]
        phrase = self._noise(random.randint(1, 12))  # what can be guessed from what came before
        return [phrase[i % len(phrase)] for i in range(length)]

    def _sampling(self) -> SamplingParams:
        random = self._random
        is_greedy = random.random() < 0.4
        return SamplingParams(
            temperature=0.0 if is_greedy else random.choice((0.2, 0.7, 1.0, 1.5)),
            top_p=random.choice((1.0, 1.0, 0.9, 0.5)),
            top_k=random.choice((0, 0, 1, 40)),
            min_p=random.choice((0.0, 0.0, 0.05)),
            presence_penalty=random.choice((0.0, 0.0, 0.8)),
            frequency_penalty=random.choice((0.0, 0.0, -0.3)),
            repetition_penalty=random.choice((1.0, 1.0, 1.2)),
            logit_bias={random.choice(self._plain): 4.0} if random.random() < 0.1 else {},
            seed=random.getrandbits(64),
            stop=("e",) if random.random() < 0.05 else (),
            ignore_eos=random.random() < 0.5,
            max_tokens=random.randint(1, MANY_TOKENS if random.random() < 0.3 else _FEW_TOKENS),
            n=2 if random.random() < 0.05 else 1,
            logprobs=random.choice((None, 0, 5)),
            prompt_logprobs=1 if random.random() < 0.05 else None,
            prediction=tuple(self._noise(20)) if random.random() < 0.05 else (),
        )

    def _noise(self, length: int) -> list[int]:
        return self._random.choices(self._plain, k=length)

    def _constraint(self, schema: dict[str, Any]) -> Constraint:
        shape = ResponseFormat(
            "json_schema", schema | {"additionalProperties": False} if "properties" in schema else schema
        )
        constraint = tools_constraint(self._tokenizer, self._chat.family, response_format=shape)
        assert constraint is not None
        return constraint

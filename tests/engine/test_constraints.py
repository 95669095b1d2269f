"""Whatever the model would like to say, the grammar decides; and what cannot be enforced is never let through."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from pathlib import Path
from typing import Any

import llguidance
import pytest

from owngpt.config import EngineConfig
from owngpt.engine.constraints import MAX_GRAMMAR_CHARS, ConstraintCompiler
from owngpt.engine.core import EngineCore
from owngpt.engine.submission import Submissions
from owngpt.errors import InvalidRequest, Overloaded
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Constraint, FinishReason, SamplingParams, Thinking
from tests.engine.asking import Answer, ask, engine
from tests.engine.makers import run
from tests.engine.scripted import ScriptedModel
from tests.fakes.model import tiny_model
from tests.fakes.text import byte_tokenizer

pytestmark = pytest.mark.anyio

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "kind": {"enum": ["a", "b"]},
        "sizes": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "maxItems": 3},
        "is_open": {"type": "boolean"},
    },
    "required": ["name", "kind", "sizes", "is_open"],
    "additionalProperties": False,
    "x-guidance": {"whitespace_flexible": False},
}


def json_constraint(schema: Any) -> Constraint:
    return Constraint(f"start: %json {json.dumps(schema)}")


async def constrained(tokenizer: Tokenizer, grammar: Constraint | str, n: int = 1, **given: Any) -> list[Answer]:
    """What a random model says under a grammar."""
    constraint = Constraint(grammar) if isinstance(grammar, str) else grammar
    params = {"temperature": 1.3, "seed": 3, "max_tokens": 200} | given
    with engine(tiny_model(tokenizer.vocab_size), tokenizer, kv_memory=2**22) as served:
        return await ask(served, "say", constraint=constraint, n=n, **params)


async def scripted(tokenizer: Tokenizer, script: Any, grammar: str, **given: Any) -> Answer:
    """What a model with a mind of its own says under a grammar."""
    with engine(ScriptedModel(script, tokenizer.vocab_size), tokenizer) as served:
        return (await ask(served, "x", constraint=Constraint(grammar), **given))[0]


async def test_a_json_schema_is_always_followed(tokenizer: Tokenizer) -> None:
    for answer in await constrained(tokenizer, json_constraint(SCHEMA), n=20):
        assert answer.finish_reason is FinishReason.STOP
        value = json.loads(answer.text)
        assert set(value) == set(SCHEMA["required"])
        assert isinstance(value["name"], str)
        assert value["kind"] in ("a", "b")
        assert all(0 <= size <= 99 for size in value["sizes"])


async def test_a_regex(tokenizer: Tokenizer) -> None:
    for answer in await constrained(tokenizer, "start: /[A-Z]{2}-[0-9]{3}/", n=10):
        assert re.fullmatch(r"[A-Z]{2}-[0-9]{3}", answer.text)


async def test_a_lark_grammar(tokenizer: Tokenizer) -> None:
    grammar = 'start: item ("+" item){2}\nitem: /[0-9]/ | "(" item ")"'
    for answer in await constrained(tokenizer, grammar, n=10):
        assert re.fullmatch(r"\(*\d\)*(\+\(*\d\)*){2}", answer.text)
        assert eval(answer.text) <= 27


async def test_constrained_and_free_requests_share_a_batch(tokenizer: Tokenizer) -> None:
    with engine(tiny_model(tokenizer.vocab_size), tokenizer) as served:
        params = {"temperature": 1.0, "seed": 1, "max_tokens": 8}
        (free,) = await ask(served, "free", **params)
        mixed, again = await asyncio.gather(
            ask(served, "say", constraint=Constraint("start: /[xyz]{8}/"), **params), ask(served, "free", **params)
        )
        assert re.fullmatch("[xyz]{8}", mixed[0].text)
        assert again[0].token_ids == free.token_ids


async def test_it_ends_when_the_grammar_does(tokenizer: Tokenizer) -> None:
    answer = await scripted(tokenizer, "yes indeed", 'start: "yes" | "no"')
    assert (answer.text, answer.finish_reason) == ("yes", FinishReason.STOP)


async def test_an_end_token_is_only_taken_where_the_grammar_can_end(tokenizer: Tokenizer) -> None:
    eos = tokenizer.eos_token_ids[0]
    answer = await scripted(tokenizer, [ord("a"), eos], "start: /a{3,5}/")
    assert (answer.text, answer.finish_reason) == ("aaa", FinishReason.STOP)


@pytest.mark.parametrize(
    ("grammar", "text", "reason"),
    [
        ('start: "yes"', "yes", FinishReason.STOP),
        ("start: /yes(hm)?/", "yeshm", FinishReason.STOP),
        ('start: "yes" ("a" start)?', "yesayesa", FinishReason.LENGTH),
    ],
)
async def test_a_vocabulary_without_an_end_token(tmp_path: Path, grammar: str, text: str, reason: FinishReason) -> None:
    tokenizer = byte_tokenizer(tmp_path, special=())
    assert tokenizer.eos_token_ids == ()
    answer = await scripted(tokenizer, "yesh", grammar, max_tokens=8)
    assert (answer.text, answer.finish_reason) == (text, reason)


async def test_bias_and_penalties_cannot_break_a_grammar(tokenizer: Tokenizer) -> None:
    bias = {ord("a"): -100.0, ord("z"): 100.0}
    answer = await scripted(tokenizer, "z", 'start: "aaa"', logit_bias=bias, presence_penalty=2.0)
    assert answer.text == "aaa"


async def test_greedy_and_logprobs_under_a_grammar(tokenizer: Tokenizer) -> None:
    answer = await scripted(tokenizer, "b", 'start: "a"', logprobs=1)
    (entry,) = answer.events[0].logprobs or ()
    assert entry.token == b"a"
    assert entry.top[0].token == b"b", "log-probabilities are those of the model, not of the mask"
    assert -100 < entry.logprob < -20


MARKS = {"start_id": ord("<"), "end_id": ord(">"), "end_ids": tuple(b"!>")}


async def test_the_grammar_sleeps_while_the_model_thinks(tokenizer: Tokenizer) -> None:
    answer = await scripted(
        tokenizer, "<let me see>maybe", 'start: "yes"', thinking=Thinking(budget=None, **MARKS), max_tokens=50
    )
    assert answer.text == "<let me see>yes"
    assert answer.finish_reason is FinishReason.STOP


async def test_thinking_that_was_open_in_the_prompt_and_runs_out_of_budget(tokenizer: Tokenizer) -> None:
    thinking = Thinking(budget=4, is_open=True, **MARKS)
    answer = await scripted(tokenizer, "endless thought", 'start: "yes"', thinking=thinking, max_tokens=50)
    assert answer.text == "endl!>yes"


async def test_a_model_that_does_not_think_is_constrained_at_once(tokenizer: Tokenizer) -> None:
    answer = await scripted(tokenizer, "yeah", 'start: "yes"', thinking=Thinking(budget=None, **MARKS))
    assert answer.text == "yes"


async def test_ending_while_it_thinks_would_skip_the_grammar(tokenizer: Tokenizer) -> None:
    eos = tokenizer.eos_token_ids[0]
    thinking = Thinking(budget=3, is_open=True, **MARKS)
    answer = await scripted(tokenizer, [ord("a"), eos], 'start: "yes"', thinking=thinking)
    assert answer.text.endswith("!>yes")


async def test_a_grammar_survives_preemption(tokenizer: Tokenizer) -> None:
    grammar = Constraint("start: /[a-f]{30}/")
    with engine(tiny_model(tokenizer.vocab_size), tokenizer, kv_memory=10 * 4 * 512, max_batch_tokens=16) as served:
        answers = await asyncio.gather(
            *(ask(served, f"{i}", constraint=grammar, temperature=1.0, max_tokens=30) for i in range(4))
        )
        assert served.stats().preemptions > 0
        assert all(re.fullmatch("[a-f]{30}", answer.text) for (answer,) in answers)


@pytest.mark.parametrize(
    "grammar",
    [
        "start: nonsense",
        "start: /(unclosed/",
        "start: /(?=look)ahead/",
        'start: (start "a")* start',
        "start: " + "(" * 5000 + '"a"' + ")" * 5000,
        "x" * (MAX_GRAMMAR_CHARS + 1),
        'start: %json {"type": "string", "not": {"const": "x"}}',
        "",
    ],
    ids=["unknown name", "bad regex", "look-ahead", "endless", "deep", "huge", "keyword", "empty"],
)
async def test_what_cannot_be_enforced_is_refused_before_it_runs(tokenizer: Tokenizer, grammar: str) -> None:
    with engine(tiny_model(tokenizer.vocab_size), tokenizer) as served:
        with pytest.raises(InvalidRequest, match="cannot be enforced") as refused:
            await ask(served, "x", constraint=Constraint(grammar, param="tools[0].custom.format"))
        assert refused.value.param == "tools[0].custom.format"
        assert len(refused.value.message) < 1000
        assert (await ask(served, "x", max_tokens=1))[0].finish_reason is FinishReason.LENGTH


class SlowTokenizer:
    """Its vocabulary is not prepared before `end` is set."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.end = threading.Event()

    @property
    def llg(self) -> llguidance.LLTokenizer:
        self.end.wait(10)
        return self.tokenizer.llg


async def test_a_slow_grammar_is_given_up_and_those_that_wait_are_told_to_come_back(tokenizer: Tokenizer) -> None:
    slow = SlowTokenizer(tokenizer)
    compiler = ConstraintCompiler(slow, seconds=0.05)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="takes more than"):
        await compiler.compile(Constraint("start: /[a-z]+/"))
    with pytest.raises(Overloaded):
        await compiler.compile(Constraint("start: /[0-9]+/"))
    slow.end.set()
    compiler.close()


async def test_a_grammar_that_is_used_again_starts_anew(tokenizer: Tokenizer) -> None:
    with engine(ScriptedModel("ab", tokenizer.vocab_size), tokenizer) as served:
        for _ in range(2):
            answers = await ask(served, "x", constraint=Constraint('start: "ab"'), n=2)
            assert [answer.text for answer in answers] == ["ab", "ab"]


@pytest.mark.parametrize("limit", [{"step_max_items": 20}, {"max_items_in_row": 20}], ids=["mask", "token"])
def test_a_grammar_that_fails_on_the_way_ends_in_an_error(tokenizer: Tokenizer, limit: dict[str, int]) -> None:
    """A limit that is met while it runs: the answer so far is not passed off as complete."""
    limits = llguidance.LLParserLimits(**limit, verbose_errors=False)
    matcher = llguidance.LLMatcher(tokenizer.llg, 'start: x\nx: "a" | x x', log_level=0, limits=limits)
    core = EngineCore(tiny_model(tokenizer.vocab_size), tokenizer, EngineConfig(kv_memory=2**20))
    submissions = Submissions(
        tokenizer, frozenset(), core.max_model_len, 1, is_shared=True, vocab_size=tokenizer.vocab_size
    )
    requests = submissions.requests(
        [1], SamplingParams(temperature=0.0, max_tokens=50, logit_bias={ord("a"): 99.0}), matcher, "", ""
    )
    (events,) = run(core, requests).values()
    assert len(events) > 5
    assert events[-1].finish_reason is FinishReason.ERROR
    assert "grammar" in str(events[-1].error)
    assert core.stats().num_free_blocks == core.stats().num_blocks

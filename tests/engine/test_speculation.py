"""Guesses change the number of steps and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher

from owngpt.config import EngineConfig
from owngpt.engine.core import EngineCore
from owngpt.engine.request import Request
from owngpt.engine.scheduler import Scheduler
from owngpt.engine.speculation import Speculator
from owngpt.engine.submission import Submissions
from owngpt.kernels.library import Library
from owngpt.model.packed_model import load_packed
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import FinishReason, PredictionUse, SamplingParams, Thinking, TokenEvent
from tests.engine.makers import make_request, padded_tokenizer, run
from tests.engine.markov import markov_core
from tests.fakes.model import VOCAB_SIZE, family_checkpoint

PROSE = b"she sells sea shells by the sea shore, and the shells she sells are sea shells for sure. "


def requests_of(
    core: EngineCore, tokenizer: Tokenizer, prompt: Sequence[int], grammar: str | None = None, **sampling: Any
) -> list[Request]:
    """As a client submits them; one per choice."""
    submissions = Submissions(tokenizer, frozenset(), core.max_model_len, 128, True, tokenizer.vocab_size)
    params = SamplingParams(**({"temperature": 0.0, "max_tokens": 60, "seed": 7} | sampling))
    matcher = None if grammar is None else LLMatcher(tokenizer.llg, grammar, log_level=0)
    return submissions.requests(prompt, params, matcher, "", "")


def answer(events: Sequence[TokenEvent]) -> tuple[Any, ...]:
    """What a client sees, however it is cut into events."""
    token_ids = [i for event in events for i in event.token_ids]
    thinking = [event.is_thinking for event in events for _ in event.token_ids]
    logprobs = [entry for event in events for entry in event.logprobs or ()]
    text = "".join(event.text for event in events)
    return token_ids, thinking, logprobs, text, events[-1].finish_reason, events[-1].stop, events[-1].error


def answers(core: EngineCore, requests: Sequence[Request]) -> list[tuple[Any, ...]]:
    return [answer(events) for events in run(core, requests).values()]


MARKS: dict[str, Any] = {"start_id": ord("<"), "end_id": ord(">"), "end_ids": tuple(b"!!>")}
KINDS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "sampled": {"temperature": 0.8, "top_p": 0.9},
    "top_k, min_p": {"temperature": 1.2, "top_k": 5, "min_p": 0.05},
    "penalties": {"presence_penalty": 0.3, "frequency_penalty": 0.1, "repetition_penalty": 1.1},
    "bias": {"logit_bias": {5: 3.0, 6: -50.0}, "temperature": 0.5},
    "logprobs": {"logprobs": 2},
    "choices": {"n": 3, "temperature": 0.7},
    "stop": {"stop": ("e", "sh"), "ignore_eos": True},
    "few tokens": {"max_tokens": 3},
    "thinking": {"thinking": Thinking(budget=9, is_open=True, **MARKS), "logprobs": 1},
    "grammar": {"grammar": "start: /[a-d]+(xyz[a-d]+)*/", "temperature": 0.5},
    "forced": {"grammar": 'start: ("{name: " /[a-e]{1,4}/ ", value: " /[0-9]{1,3}/ "} ")+'},
    "forced, with logprobs": {"grammar": 'start: ("{name: " /[a-e]{1,4}/ "} "){3}', "logprobs": 1},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["on", "auto"])
def test_answers_are_the_same(tokenizer: Tokenizer, kind: str, mode: str) -> None:
    found = []
    for how in ("off", mode):
        core = markov_core(tokenizer, mode=how)
        requests = [
            request
            for prompt in (PROSE * 2, PROSE[:30], bytes(range(40)))
            for request in requests_of(core, tokenizer, prompt, **KINDS[kind])
        ]
        found.append(answers(core, requests))
    assert found[0] == found[1]
    assert all(reason is not FinishReason.ERROR for *_, reason, _, _ in found[0])


def test_guesses_save_steps(tokenizer: Tokenizer) -> None:
    steps = {}
    for mode in ("off", "on"):
        core = markov_core(tokenizer, mode=mode, whim=0.05)
        run(core, requests_of(core, tokenizer, PROSE, max_tokens=200, ignore_eos=True))
        steps[mode] = core.counters.steps
        assert core.stats().drafted_tokens >= core.stats().accepted_tokens
    assert steps["off"] == core.stats().generated_tokens + 1, "the prompt takes two"
    assert steps["on"] < steps["off"] / 3
    assert core.stats().accepted_tokens > 100


def test_forced_tokens_take_no_steps_and_are_not_guesses(tokenizer: Tokenizer) -> None:
    core = markov_core(tokenizer, mode="off")
    grammar = 'start: "The whole answer is known, but for one digit: " /[0-9]/ ", and that was it."'
    (events,) = run(core, requests_of(core, tokenizer, b"?", grammar, max_tokens=100)).values()
    text = "".join(event.text for event in events)
    assert text.startswith("The whole answer is known, but for one digit: ")
    assert text.endswith(", and that was it.")
    assert core.counters.steps <= 4
    assert core.stats().drafted_tokens == 0


def test_the_end_of_thinking_is_forced_in_one_step(tokenizer: Tokenizer) -> None:
    core = markov_core(tokenizer, mode="off")
    thinking = Thinking(budget=0, start_id=1, end_id=3, end_ids=(9, 9, 9, 9, 9, 3), is_open=True)
    (events,) = run(core, requests_of(core, tokenizer, b"?", thinking=thinking, max_tokens=10)).values()
    assert [len(event.token_ids) for event in events][:2] == [6, 1]
    assert [event.is_thinking for event in events][:2] == [True, False]


def test_a_step_that_reads_a_prompt_carries_no_guesses(tokenizer: Tokenizer) -> None:
    core = markov_core(tokenizer, mode="on", whim=0.0, max_batch_tokens=16)
    (stream,) = requests_of(core, tokenizer, PROSE, max_tokens=300, ignore_eos=True)
    core.add(stream)
    while not core.speculator.num_drafted:
        core.step()
    core.add(requests_of(core, tokenizer, bytes(range(100)))[0])
    drafted = core.speculator.num_drafted
    for _ in range(6):
        core.step()
    assert core.speculator.num_drafted == drafted


def test_long_texts_are_looked_at_a_few_in_each_step() -> None:
    """Else 64 choices of one long prompt would hold up all streams for a second."""
    scheduler = Scheduler(2048, 16, 512, 16)
    for _ in range(4):
        scheduler.add(make_request([*range(100)] * 50, namespace=None))
    for _ in range(42):
        scheduler.commit(scheduler.schedule())
    for request in scheduler.running:
        request.append(0)
    speculator = Speculator(scheduler, "on")
    chunks = scheduler.schedule()
    drafted = [[bool(chunk.draft) for chunk in speculator.draft(chunks)] for _ in range(2)]
    assert drafted == [[True, True, False, False], [True, True, True, True]]


def test_rejected_guesses_are_never_shared(tokenizer: Tokenizer) -> None:
    """The blocks of an answer are shared with what comes after it, so they must hold what was said."""
    core = markov_core(tokenizer, mode="on")
    (first,) = requests_of(core, tokenizer, PROSE, max_tokens=150)
    ((said, *_),) = answers(core, [first])
    assert core.speculator.num_drafted > core.speculator.num_accepted > 0
    (again,) = requests_of(core, tokenizer, [*PROSE, *said])
    fresh = markov_core(tokenizer, mode="off")
    assert answers(core, [again]) == answers(fresh, requests_of(fresh, tokenizer, [*PROSE, *said]))
    assert again.num_cached_tokens is not None
    assert again.num_cached_tokens > len(PROSE)


letters = st.integers(97, 99)
prompts = st.lists(letters, min_size=1, max_size=40)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.tuples(prompts, st.sampled_from(sorted(KINDS))), min_size=1, max_size=5),
    st.integers(2, 40),
    st.integers(28, 60),
)
def test_nothing_depends_on_company_chunks_preemption_or_guesses(
    tokenizer: Tokenizer, asked: list[tuple[list[int], str]], budget: int, num_blocks: int
) -> None:
    alone = []
    for prompt, kind in asked:
        core = markov_core(tokenizer, mode="off")
        alone += answers(core, requests_of(core, tokenizer, prompt, **KINDS[kind]))
    crowd = markov_core(tokenizer, mode="on", max_batch_tokens=budget, kv_memory=num_blocks * 4 * 256)
    requests = [request for prompt, kind in asked for request in requests_of(crowd, tokenizer, prompt, **KINDS[kind])]
    assert answers(crowd, requests) == alone


def test_a_prediction_saves_steps_and_its_use_is_told(tokenizer: Tokenizer) -> None:
    """What is told follows from the answer alone, so usage does not depend on how busy the server was."""
    asked: dict[str, Any] = {"max_tokens": 60, "ignore_eos": True}
    plain = markov_core(tokenizer, mode="on", whim=20.0)
    ((said, *rest),) = answers(plain, requests_of(plain, tokenizer, b"write it again", **asked))
    prediction = (*said[:20], 5, 5, *said[24:], 9, 9, 9)
    steps = []
    for mode in ("on", "off"):
        core = markov_core(tokenizer, mode=mode, whim=20.0)
        requests = requests_of(core, tokenizer, b"write it again", prediction=prediction, **asked)
        (events,) = run(core, requests).values()
        assert answer(events) == (said, *rest)
        assert events[-1].prediction == PredictionUse(54, 7)
        assert all(event.prediction is None for event in events[:-1])
        steps.append(core.counters.steps)
    assert steps[0] < steps[1] / 3


@pytest.mark.parametrize("dtype", ["bf16", "int8"])
def test_native_kernels_give_the_same_bits_with_guesses_and_without(
    library: Library, tmp_path: Path, dtype: str
) -> None:
    model = load_packed(family_checkpoint("qwen3", tmp_path / "model"), dtype)
    tokenizer = padded_tokenizer(tmp_path / "tokenizer", VOCAB_SIZE)
    prompts = [PROSE, PROSE[:50] * 3, bytes(range(70))]
    kinds: list[dict[str, Any]] = [{"logprobs": 2}, {"temperature": 0.3, "top_p": 0.9}, {"frequency_penalty": 0.1}]
    found, accepted = [], []
    for mode in ("off", "auto", "on"):
        core = EngineCore(model, tokenizer, EngineConfig(kv_memory=2**22, speculation=mode))
        assert core.runner.is_invariant
        requests = [
            request
            for prompt, kind in product(prompts, kinds)
            for request in requests_of(core, tokenizer, prompt, **kind, max_tokens=100, ignore_eos=True)
        ]
        found.append(answers(core, requests))
        accepted.append(core.stats().accepted_tokens)
        core.close()
    assert found[0] == found[1] == found[2]
    assert accepted[0] == 0 < accepted[2]

"""After ten thousand random operations every block is free and the books are right."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from owngpt.config import EngineConfig
from owngpt.engine.core import EngineCore
from owngpt.engine.request import Request
from owngpt.engine.submission import Submissions
from owngpt.types import FinishReason, SamplingParams, TokenEvent
from tests.engine.scripted import NAN, ScriptedModel
from tests.fakes.text import byte_tokenizer

NUM_OPERATIONS = 10_000


def test_nothing_leaks(tmp_path: Path) -> None:
    random.seed(7)
    tokenizer = byte_tokenizer(tmp_path)
    script = [random.randrange(256) if p != 50 else NAN for p in range(60)]
    model = ScriptedModel(script, tokenizer.vocab_size)
    config = EngineConfig(kv_memory=24 * 4 * 256, block_size=4, max_batch_tokens=24, max_running=6)
    core = EngineCore(model, tokenizer, config)  # type: ignore[arg-type]
    submissions = Submissions(
        tokenizer, frozenset(), core.max_model_len, 8, is_shared=True, vocab_size=tokenizer.vocab_size
    )
    alive: list[Request] = []
    ended: Counter[FinishReason] = Counter()
    for _ in range(NUM_OPERATIONS):
        if random.random() < 0.2 and len(alive) < 20:
            submit(core, submissions, alive)
        if random.random() < 0.04 and alive:
            core.abort(alive.pop(random.randrange(len(alive))))
        step(core, alive, ended)
    assert core.stats().preemptions > 100
    assert core.stats().cached_tokens > 1000
    assert min(ended[FinishReason.LENGTH], ended[FinishReason.ERROR]) > 100
    while alive:
        core.abort(alive.pop())
    core.scheduler.check_integrity()
    assert core.stats().num_free_blocks == core.stats().num_blocks
    assert not core.has_work


def submit(core: EngineCore, submissions: Submissions, alive: list[Request]) -> None:
    """Prompts with a few common beginnings, in two namespaces, one or three choices."""
    prompt = [random.randrange(3)] * random.randrange(1, 40) + [random.randrange(256) for _ in range(3)]
    most = random.randrange(1, core.max_model_len - len(prompt))
    params = SamplingParams(
        temperature=random.choice([0.0, 1.0]),
        max_tokens=most,
        n=random.choice([1, 1, 3]),
        prompt_logprobs=random.choice([None, None, None, 1]),
    )
    for request in submissions.requests(prompt, params, None, random.choice("ab"), ""):
        core.add(request)
        alive.append(request)


def step(core: EngineCore, alive: list[Request], ended: Counter[FinishReason]) -> None:
    for request, event in core.step() if core.has_work else ():
        check(request, event)
        if event.finish_reason is not None:
            ended[event.finish_reason] += 1
            alive.remove(request)
    core.scheduler.check_integrity()


def check(request: Request, event: TokenEvent) -> None:
    """What a client sees says nothing of preemptions."""
    assert (event.prompt is not None) == (request.num_output_tokens <= len(event.token_ids))

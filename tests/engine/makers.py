"""Requests without a model, models without weights, and runs without a thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from owngpt.engine.core import EngineCore
from owngpt.engine.request import Request
from owngpt.engine.submission import Submissions
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Claim, SamplingParams, TokenEvent
from tests.fakes.text import QWEN_MARKS, byte_tokenizer


def make_request(
    prompt: Sequence[int],
    max_tokens: int = 50,
    namespace: str | None = "",
    claim: Claim | None = None,
    **sampling: Any,
) -> Request:
    """For the scheduler and the sampler; nobody reads its text."""
    return Request(
        token_ids=list(prompt),
        num_prompt_tokens=len(prompt),
        max_total_tokens=len(prompt) + max_tokens,
        sampling=SamplingParams(**sampling),
        namespace=namespace,
        claim=claim or Claim(),
    )


def padded_tokenizer(folder: Path, vocab_size: int) -> Tokenizer:
    """A byte-level tokenizer with as many tokens as asked for, so that every logit stands for one."""
    base = byte_tokenizer(folder).vocab_size
    return byte_tokenizer(folder, marks=[*QWEN_MARKS, *(f"<extra{i}>" for i in range(vocab_size - base))])


def run(core: EngineCore, requests: Sequence[Request]) -> dict[Request, list[TokenEvent]]:
    """Submit all at once and step until nothing is left; -> the events of each."""
    events: dict[Request, list[TokenEvent]] = {request: [] for request in requests}
    for request in requests:
        core.add(request)
    while core.has_work:
        for request, event in core.step():
            events[request].append(event)
        core.scheduler.check_integrity()
    return events


def complete(
    core: EngineCore,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    *,
    is_shared: bool = True,
    **sampling: Any,
) -> list[list[int]]:
    """The token ids said to each prompt, all at once."""
    submissions = Submissions(tokenizer, frozenset(), core.max_model_len, 128, is_shared, tokenizer.vocab_size)
    params = SamplingParams(**sampling)
    requests = [submissions.requests(prompt, params, None, "", "")[0] for prompt in prompts]
    return [[i for event in events for i in event.token_ids] for events in run(core, requests).values()]

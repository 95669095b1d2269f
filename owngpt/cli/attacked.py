"""Answers under attack, made by a whole App, and checked: what `owngpt eval citations` and the benchmark count."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import anyio

from owngpt.evals.citations import Case, Tally
from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatEvent, ChatPrompt, ToolUse
from owngpt.service.fields import strings
from owngpt.service.generate import GenerationRequest
from owngpt.service.grounding import GroundedVerdict, GroundingOptions, Mode, ground
from owngpt.text.grammar import ResponseFormat
from owngpt.text.output import ContentDelta
from owngpt.types import Citation, Message, SamplingParams, Tool, Verdict

CALLER = Caller("proj_eval", "eval", "org_eval", "key_eval", is_admin=False)
AT_ONCE = 8
_SCHEMA = {
    "type": "object",
    "properties": {"proof": {"type": "string", "x-owngpt-quote": True}, "yes": {"type": "boolean"}},
    "required": ["proof", "yes"],
    "additionalProperties": False,
}
_TOOL = Tool("look_up", "Looks up a word.", {"type": "object", "properties": {"word": {"type": "string"}}})


async def answer_all(app: App, asked: Sequence[Case]) -> Tally:
    """Answer each case, some at a time, and check it."""
    tally, gate = Tally(), anyio.CapacityLimiter(AT_ONCE)

    async def answer_one(case: Case) -> None:
        async with gate:
            await _answer(app, case, tally)

    async with anyio.create_task_group() as tasks:
        for case in asked:
            tasks.start_soon(answer_one, case)
    return tally


async def _answer(app: App, case: Case, tally: Tally) -> None:
    """In one of several ways: free, with a schema, with tools, cut short, hot or cold, with or without abstention."""
    chosen = random.Random(case.seed)
    prompt = ChatPrompt([Message("user", case.question)])
    if chosen.random() < 0.15:
        prompt = replace(prompt, response_format=ResponseFormat("json_schema", _SCHEMA))
    elif chosen.random() < 0.2:
        prompt = replace(prompt, tool_use=ToolUse([_TOOL]))
    sampling = SamplingParams(
        temperature=chosen.choice([0.0, 0.7, 1.0, 1.5]),
        max_tokens=chosen.choice([3, 16, 64, 128]),
        seed=case.seed,
        stop=("the",) if chosen.random() < 0.1 else (),
        logit_bias=_eager(app, case, prompt),
    )
    mode: Mode = "extract" if chosen.random() < 0.1 else "quote"
    options = GroundingOptions(mode, abstain=chosen.random() < 0.1)
    request = GenerationRequest(app.models.generative[0], prompt, sampling)
    text, citations, has_abstained = "", [], False
    async with ground(app, CALLER, request, case.passages, options) as generation:
        async for event in generation:
            if isinstance(event, ChatEvent):
                text += "".join(delta.text for delta in event.deltas if isinstance(delta, ContentDelta))
            elif isinstance(event, Citation):
                citations.append(event)
            elif isinstance(event, GroundedVerdict):
                has_abstained = event.verdict is Verdict.ABSTAINED
    if prompt.response_format.type == "text" or options.mode == "extract":
        tally.add(case, text, citations, has_abstained=has_abstained)
    else:
        tally.add(case, *_unwrapped(text, citations), has_abstained=has_abstained)


def _eager(app: App, case: Case, prompt: ChatPrompt) -> dict[int, float]:
    """A model that has learned nothing seldom opens a quote, so it is pushed to."""
    tokenizer = app.models.generative[0].tokenizer
    first = {tokenizer.encode(mark)[0]: 10.0 for mark in ('"', "“", "「", "«", "『")}
    return first if prompt.response_format.type == "text" and case.seed % 4 else {}


def _unwrapped(text: str, citations: Sequence[Citation]) -> tuple[str, list[Citation]]:
    """An answer that is JSON, as if each of its cited strings stood there alone, without escapes."""
    values = {end: value for _, end, value in strings(text)}
    clean, found = "", []
    for citation in citations:
        clean += f'"{values.get(citation.index, "")}"'
        found.append(replace(citation, index=len(clean)))
    return clean, found

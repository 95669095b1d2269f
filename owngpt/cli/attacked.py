"""Answers under attack, made by a whole App, and checked: what `owngpt eval citations` and the benchmark count."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import anyio

from owngpt.evals.citations import Case, Tally
from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatEvent, ChatPrompt, ToolUse
from owngpt.service.fields import strings
from owngpt.service.generate import GenerationRequest
from owngpt.service.grounding import GroundedVerdict, GroundingOptions, Mode, given, ground
from owngpt.service.search import search
from owngpt.store.chunks import ChunkOwner
from owngpt.store.projects import Projects
from owngpt.text.grammar import ResponseFormat
from owngpt.text.output import ContentDelta
from owngpt.types import Chunk, Citation, Message, SamplingParams, Tool, Verdict

AT_ONCE = 16
_PASSAGES = 4  # that an answer is made from
_SOMEBODY_ELSE = frozenset({"user:somebody-else"})
_SCHEMA = {
    "type": "object",
    "properties": {"proof": {"type": "string", "x-owngpt-quote": True}, "yes": {"type": "boolean"}},
    "required": ["proof", "yes"],
    "additionalProperties": False,
}
_TOOL = Tool("look_up", "Looks up a word.", {"type": "object", "properties": {"word": {"type": "string"}}})


class Place(NamedTuple):
    """Where questions are asked: by whom, of which store."""

    app: App
    caller: Caller
    store_id: str


async def answer_all(app: App, asked: Sequence[Case]) -> Tally:
    """Put all documents into one store, search it for each case, answer some cases at a time, and check."""
    place = _indexed(app, asked)
    tally, gate = Tally.of(asked), anyio.CapacityLimiter(AT_ONCE)

    async def answer_one(case: Case) -> None:
        async with gate:
            await _answer(place, case, tally)

    async with anyio.create_task_group() as tasks:
        for case in asked:
            tasks.start_soon(answer_one, case)
    return tally


def _indexed(app: App, asked: Sequence[Case]) -> Place:
    """A store of its own with the documents of all cases."""
    project = Projects(app.database).ensure("eval")
    caller = Caller(project.id, project.name, project.organization_id, "key_eval", is_admin=False)
    store = app.vector_stores.add(project.id, "attacked", "", {}, None).id
    with app.database.write() as transaction:
        for document in (document for case in asked for document in case.documents):
            readers = _SOMEBODY_ELSE if document.is_hidden else frozenset[str]()
            file_id = document.file_id
            owner = ChunkOwner(project.id, store, file_id, f"{file_id}.txt", readers=readers)
            chunk = Chunk(f"{store}/{file_id}#0", 0, document.passage, document.start)
            app.chunks.add(transaction, owner, [chunk], None)
    return Place(app, caller, store)


async def _answer(place: Place, case: Case, tally: Tally) -> None:
    """In one of several ways: free, with a schema, with tools, cut short, hot or cold, with or without abstention."""
    app, caller, store_id = place
    passages = (await search(app, caller, [store_id], [case.question], max_num_results=_PASSAGES)).passages
    tally.found(case, passages)
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
    async with ground(app, caller, request, given(passages), options) as generation:
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

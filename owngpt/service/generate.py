"""The life of one generation: the first file to read. Chat Completions, Completions and all that follow call this."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from owngpt.errors import EngineFailed, InvalidRequest
from owngpt.service.app import App, Caller
from owngpt.service.fanout import Events, fan_out
from owngpt.service.limits import Ticket
from owngpt.service.models import ServedModel
from owngpt.service.trace import trace
from owngpt.text.tokenizer import FAR
from owngpt.types import Constraint, FinishReason, SamplingParams, TokenEvent, Usage


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the engine gets: token ids of each prompt, how to sample, what may be said."""

    prompts: Sequence[Sequence[int]]
    sampling: SamplingParams
    constraint: Constraint | None = None


class Prompt(Protocol):
    """What is asked, before it is tokens: messages (`service/chat.py`) or plain text (`service/completions.py`)."""

    @property
    def operation(self) -> str:
        """`chat` or `text_completion`."""
        ...

    @property
    def param(self) -> str:
        """The wire field to blame when it is too long."""
        ...

    @property
    def num_prompts(self) -> int:
        """How many prompts are continued."""
        ...

    @property
    def cost(self) -> int:
        """About how many characters there are to work through."""
        ...

    def prepare(self, model: ServedModel, sampling: SamplingParams) -> Prepared:
        """Render and tokenize; raises `InvalidRequest`. Runs in a worker thread when the cost is high."""
        ...


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A validated request."""

    model: ServedModel
    prompt: Prompt
    sampling: SamplingParams
    request_id: str = ""


class Generation:
    """A running generation: iterate over its events; `usage` is what it has cost so far."""

    def __init__(self, prompts: Sequence[Sequence[int]], events: Events, ticket: Ticket) -> None:
        self.prompts = prompts  # as the engine got them
        self._events = events
        self._ticket = ticket

    @property
    def usage(self) -> Usage:
        return self._ticket.usage

    def __aiter__(self) -> Generation:
        return self

    async def __anext__(self) -> TokenEvent:
        event = await anext(self._events)
        self._ticket.count(event)
        if event.finish_reason in (FinishReason.ERROR, FinishReason.ABORT):
            raise EngineFailed(event.error or "the engine could not finish this request")
        return event


@asynccontextmanager
async def generate(app: App, caller: Caller, request: GenerationRequest) -> AsyncIterator[Generation]:
    """One request, from a validated body to recorded usage.

    Entering admits it; leaving aborts what still runs and settles what it cost. Raises `RequestError`s on entering
    (no room, a prompt that is refused or too long) and `EngineFailed` while its events are read.
    """
    model, prompt, n = request.model, request.prompt, request.sampling.n
    with (
        app.limits.admit(prompt.operation, model.name, n, prompt.num_prompts) as ticket,
        trace(app.tracer, prompt.operation, model.name, ticket, request.sampling),
    ):
        prepared = await app.workers.run(prompt.cost, prompt.prepare, model, request.sampling)
        check_fits(prepared, model, prompt.param)
        async with _submit(caller, request, prepared, ticket.at_once) as events:
            yield Generation(prepared.prompts, events, ticket)


def check_fits(prepared: Prepared, model: ServedModel, param: str) -> None:
    """Raise `InvalidRequest` unless every prompt leaves room for a token, if one is wanted."""
    longest = max(map(len, prepared.prompts))
    limit = model.engine.max_model_len
    if longest + (prepared.sampling.max_tokens != 0) > limit:
        found = longest if longest <= FAR * limit else f"more than {FAR * limit}"
        raise InvalidRequest(
            f"This model's maximum context length is {limit} tokens; the prompt has {found}. Send a shorter prompt.",
            param=param,
            code="context_length_exceeded",
        )


def namespace(caller: Caller) -> str:
    """Where this caller's prompts may be shared in the prefix cache: inside its own project, never beyond."""
    return hashlib.sha256(b"owngpt prefix cache\0" + caller.project_id.encode()).hexdigest()[:32]


def _submit(
    caller: Caller, request: GenerationRequest, prepared: Prepared, at_once: int
) -> AbstractAsyncContextManager[Events]:
    def submit(prompt: Sequence[int]) -> AbstractAsyncContextManager[Events]:
        return request.model.engine.submit(
            prompt,
            prepared.sampling,
            constraint=prepared.constraint,
            namespace=namespace(caller),
            request_id=request.request_id,
        )

    return fan_out(submit, prepared.prompts, prepared.sampling.n, at_once)

"""The life of one generation: the first file to read. Chat Completions, Completions and all that follow call this."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import NamedTuple, Protocol

from owngpt.errors import EngineFailed, InvalidRequest
from owngpt.service.app import App, Caller
from owngpt.service.fanout import Events, fan_out
from owngpt.service.limits import Ticket
from owngpt.service.models import ServedModel
from owngpt.service.privacy import Guard
from owngpt.service.receipts import Inputs, Order
from owngpt.service.recording import Recording, leaving
from owngpt.service.tiers import claim_of
from owngpt.service.trace import trace
from owngpt.text.tokenizer import FAR
from owngpt.types import Claim, Constraint, FinishReason, SamplingParams, Tier, TokenEvent, Usage


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
class Caching:
    """How a prompt may be cached inside its project."""

    key: str = ""  # prompts with different keys share nothing
    is_durable: bool = True  # may be kept on disk


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A validated request."""

    model: ServedModel
    prompt: Prompt
    sampling: SamplingParams
    request_id: str = ""
    order: Order | None = None  # for a receipt; None: nothing is kept
    caching: Caching = Caching()
    tier: Tier = Tier.DEFAULT
    patience: float | None = None  # seconds until the first token that its client waits; None: it has not said
    guard: Guard | None = None  # that its prompt has passed; None: the project's policy demands none
    named: str | None = None  # what its caller calls the model, and is billed for; None: by the model's own name


class Generation:
    """A running generation: iterate over its events; `usage` is what it has cost so far."""

    def __init__(
        self, prompts: Sequence[Sequence[int]], events: Events, ticket: Ticket, recording: Recording | None
    ) -> None:
        self.prompts = prompts  # as the engine got them
        self._events = events
        self._ticket = ticket
        self._recording = recording

    @property
    def usage(self) -> Usage:
        return self._ticket.usage

    def __aiter__(self) -> Generation:
        return self

    async def __anext__(self) -> TokenEvent:
        """The next event. It ends when the receipt, if one is to be kept, is on disk."""
        event = await anext(self._events, None)
        if event is None:
            await self.settle()
            raise StopAsyncIteration
        self._ticket.count(event)
        if self._recording is not None:
            self._recording.add(event)
        if event.finish_reason in (FinishReason.ERROR, FinishReason.ABORT):
            raise EngineFailed(event.error or "the engine could not finish this request")
        return event

    async def settle(self) -> None:
        """Return when the receipt, if one is to be kept, is on disk: of all that was read until now."""
        if self._recording is not None:
            await self._recording.save()


class Admission(NamedTuple):
    """Room that a request has, and what it may claim of the engine."""

    ticket: Ticket
    claim: Claim


@asynccontextmanager
async def generate(app: App, caller: Caller, request: GenerationRequest) -> AsyncIterator[Generation]:
    """One request, from a validated body to recorded usage.

    Entering admits it; leaving aborts what still runs and settles what it cost. Raises `RequestError`s on entering
    (no room, a prompt that is refused or too long) and `EngineFailed` while its events are read.
    """
    async with (
        admitted(app, caller, request, request.prompt.operation) as admission,
        running(app, caller, request, admission) as generation,
    ):
        yield generation


@asynccontextmanager
async def admitted(app: App, caller: Caller, request: GenerationRequest, operation: str) -> AsyncIterator[Admission]:
    """The way in and the way out: before it nothing dear is done for a request. Raises as `generate` does on entering.

    What is admitted need not run: an answer may be found without the engine.
    """
    model, prompt, n = request.model, request.prompt, request.sampling.n
    app.privacy.check(caller, request.guard, request.sampling)
    app.models.check_permitted(model.name, caller.models)
    claim = claim_of(app.settings, caller, request.tier, request.patience)
    await app.limits.refresh(caller)
    with (
        app.limits.admit(
            operation,
            model.name,
            n,
            prompt.num_prompts,
            claim,
            caller=caller,
            named=request.named,
            request_id=request.request_id,
        ) as ticket,
        trace(app.tracer, operation, model.name, ticket, request.sampling),
    ):
        yield Admission(ticket, claim)


@asynccontextmanager
async def running(
    app: App, caller: Caller, request: GenerationRequest, admission: Admission
) -> AsyncIterator[Generation]:
    """What was admitted, in the engine."""
    model, prompt, (ticket, claim) = request.model, request.prompt, admission
    prepared = await app.workers.run(prompt.cost, prompt.prepare, model, request.sampling)
    check_fits(prepared, model, prompt.param)
    ticket.expect(*_expected(prepared))
    seeds = _seeds(request, len(prepared.prompts))
    recording = _recording(app, caller, request, prepared, seeds)
    async with _submit(caller, request, prepared, seeds, ticket.at_once, claim) as events:
        with leaving(recording):
            yield Generation(prepared.prompts, events, ticket, recording)


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


def _expected(prepared: Prepared) -> tuple[int, int]:
    """Tokens of all prompts, and at most of their answers: only as many as were asked for, where that was said."""
    sampling = prepared.sampling
    return sum(map(len, prepared.prompts)), (sampling.max_tokens or 0) * sampling.n * len(prepared.prompts)


def namespace(caller: Caller, key: str = "") -> str:
    """Where this caller's prompts may be shared in the prefix cache: inside its own project, never beyond.

    Each `key` of the caller's own is a part of the project that shares nothing with the rest.
    """
    place = b"owngpt prefix cache\0" + caller.project_id.encode() + b"\0" + key.encode("utf-8", "surrogatepass")
    return hashlib.sha256(place).hexdigest()[:32]


def _seeds(request: GenerationRequest, num_prompts: int) -> Sequence[int | None]:
    """One for each prompt. Where nobody named one, the engine draws it, unless a receipt must know it."""
    seed = request.sampling.seed
    is_drawn = seed is None and request.order is not None
    return [secrets.randbits(64) if is_drawn else seed for _ in range(num_prompts)]


def _recording(
    app: App, caller: Caller, request: GenerationRequest, prepared: Prepared, seeds: Sequence[int | None]
) -> Recording | None:
    if request.order is None:
        return None
    model = request.model
    inputs = Inputs(
        model.fingerprint,
        prepared.prompts,
        [seed for seed in seeds if seed is not None],
        replace(prepared.sampling, seed=None),
        None if prepared.constraint is None else prepared.constraint.grammar,
        model.engine.max_model_len,
    )
    return Recording(app.receipts, request.order, caller.project_id, request.prompt.operation, model.name, inputs)


def _submit(
    caller: Caller,
    request: GenerationRequest,
    prepared: Prepared,
    seeds: Sequence[int | None],
    at_once: int,
    claim: Claim,
) -> AbstractAsyncContextManager[Events]:
    claims = chain([claim], repeat(replace(claim, deadline=None)))  # the first token is the first prompt's

    def submit(seeded: tuple[Sequence[int], int | None]) -> AbstractAsyncContextManager[Events]:
        prompt, seed = seeded
        return request.model.engine.submit(
            prompt,
            replace(prepared.sampling, seed=seed),
            constraint=prepared.constraint,
            namespace=namespace(caller, request.caching.key),
            is_durable=request.caching.is_durable and not caller.keeps_nothing,
            request_id=request.request_id,
            claim=next(claims),
        )

    return fan_out(submit, list(zip(prepared.prompts, seeds, strict=True)), prepared.sampling.n, at_once)

"""The engine. `EngineCore.step` is all of it in a paragraph: schedule, run, sample, commit.

`ThreadEngine` gives the core a thread, and carries requests to it and events back to the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic, perf_counter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.backends.cpu import get_cpu_capability

from owngpt.config import EngineConfig
from owngpt.engine.batch import ForwardBatch, Tail
from owngpt.engine.client import EngineStats
from owngpt.engine.commit import commit, finish, join
from owngpt.engine.constraints import ConstraintCompiler
from owngpt.engine.deadline import check_deadline, too_late
from owngpt.engine.draft_model import DraftModel, PairedRunner
from owngpt.engine.finite import broken_chunks
from owngpt.engine.kv_disk import KVDisk
from owngpt.engine.kv_store import KVStore
from owngpt.engine.logprobs import Row, rows_of
from owngpt.engine.memory import plan_kv
from owngpt.engine.prompt_logprobs import PromptScorer
from owngpt.engine.request import Request, RequestState, Sample
from owngpt.engine.runner import ModelRunner, block_bytes, device_of, make_runner
from owngpt.engine.sampler import BROKEN, Sampler
from owngpt.engine.scheduler import Chunk, Scheduler
from owngpt.engine.speculation import Speculator
from owngpt.engine.stats import Counters
from owngpt.engine.stream import Admission, Stream
from owngpt.engine.submission import Submissions
from owngpt.errors import EngineFailed, RequestError, ServiceUnavailable
from owngpt.model.packed_model import PackedModel
from owngpt.model.transformer import Transformer
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import ANYONE, Claim, Constraint, FinishReason, SamplingParams, TokenEvent

logger = logging.getLogger(__name__)

_SAVING = 0.02  # of a step's time: what may be spent after it on copying blocks for the disk
_PATIENCE = 0.005  # seconds to wait for the disk where there is nothing to compute


class Outcome(NamedTuple):
    """News of one request, for its client."""

    request: Request
    event: TokenEvent


class EngineCore:
    """Used by one thread at a time. Raises `ConfigError` where the KV memory holds no block.

    With a `store`, prefixes outlive their blocks there; `identity` names the weights they follow from. A `draft`
    model has the same tokens and guesses; KV memory is divided between the two.
    """

    def __init__(
        self,
        model: Transformer | PackedModel,
        tokenizer: Tokenizer,
        config: EngineConfig,
        store: KVStore | None = None,
        identity: str = "",
        draft: Transformer | PackedModel | None = None,
    ) -> None:
        models = [model] if draft is None else [model, draft]
        num_bytes = sum(block_bytes(each, config.block_size) for each in models)
        plan = plan_kv(config, model.config.max_position, num_bytes, device=device_of(model))
        self.max_model_len = plan.max_model_len
        self.scheduler = Scheduler(
            plan.num_blocks,
            config.block_size,
            config.max_batch_tokens,
            config.max_running,
            slowdown=config.stream_slowdown,
        )
        runners = [make_runner(each, plan.num_blocks, config.block_size) for each in models]
        self.runner = runners[0] if draft is None else PairedRunner(*runners)
        self.disk = None if store is None else KVDisk(store, identity, self.scheduler, self.runner)
        self.scheduler.disk = self.disk
        self.sampler = Sampler(tokenizer)
        vocab_size = min(tokenizer.vocab_size, model.config.vocab_size)  # what can be guessed must be readable
        guessing = None if draft is None else DraftModel(runners[1], vocab_size, config.block_size)
        speculation = _speculation(config, self.runner)
        if guessing is not None and speculation == "off":
            logger.warning("draft_model only takes memory here: speculation is off by itself; set it to 'on'")
        self.speculator = Speculator(self.scheduler, speculation, guessing)
        self.prompt_scorer = PromptScorer(tokenizer, self.runner.logits)
        self.counters = Counters()
        logger.info(
            "%d KV blocks of %d tokens; a request may have %d tokens, the checkpoint allows %d",
            plan.num_blocks,
            config.block_size,
            plan.max_model_len,
            model.config.max_position,
        )

    @property
    def has_work(self) -> bool:
        return self.scheduler.has_work

    def add(self, request: Request) -> None:
        self.scheduler.add(request)

    def abort(self, request: Request) -> None:
        """Its client left: its blocks are free now. Harmless when it has ended."""
        self.scheduler.remove(request)

    def step(self) -> list[Outcome]:
        """Compute one batch; what it means for each request that got a token."""
        begin = perf_counter()
        chunks = self._schedule()
        if not chunks:
            return []
        chunks = self.speculator.draft(chunks)
        batch = ForwardBatch.build(chunks, self.scheduler.block_size)
        self.sampler.look_ahead(tail.chunk.request for tail in batch.tails)
        hidden_TE = self.runner.forward(batch)
        self.prompt_scorer.read(chunks, hidden_TE)
        outcomes = self._take(batch.tails, self._logits(batch, hidden_TE))
        outcomes += self._refuse_broken(chunks, hidden_TE, outcomes)
        self.speculator.keep_up(chunks)
        self.scheduler.commit(chunks)
        outcomes = [self._settle(*outcome) for outcome in outcomes]
        self.speculator.learn(chunks, perf_counter() - begin)
        self.scheduler.observe(chunks, perf_counter() - begin)
        self.counters.count_admitted(self.scheduler.take_admitted())
        self.counters.steps += 1
        self.counters.step_seconds += perf_counter() - begin
        if self.disk is not None:
            self.disk.pump(_SAVING * (perf_counter() - begin))
        return outcomes

    @property
    def is_saving(self) -> bool:
        """Whether `idle` has something to do."""
        return self.disk is not None and self.disk.is_saving

    def idle(self) -> None:
        """There is no work: blocks can be saved."""
        if self.disk is not None:
            self.disk.pump(_PATIENCE)

    def fail_running(self) -> None:
        """A step has raised: take out all that took part in it. Raises AssertionError if the books are wrong."""
        for request in list(self.scheduler.running):
            self.scheduler.remove(request)
        self.scheduler.check_integrity()

    def stats(self) -> EngineStats:
        return self.counters.read(self.scheduler, self.speculator)

    def close(self) -> None:
        """Free the KV memory."""
        self.sampler.close()
        if self.disk is not None:
            self.disk.close()
        self.runner.close()

    def _schedule(self) -> list[Chunk]:
        """The chunks of this step; none while all that could be computed is on its way from disk."""
        if self.disk is not None:
            self.disk.collect()
        chunks = self.scheduler.schedule()
        if not chunks:
            assert self.disk is not None, "there is work, and the scheduler found none"
            self.disk.collect(_PATIENCE)
        return chunks

    def _logits(self, batch: ForwardBatch, hidden_TE: Tensor) -> list[Row]:
        return rows_of(self.runner.logits(hidden_TE[batch.logit_rows_N])) if len(batch.logit_rows_N) else []

    def _take(self, tails: Iterable[Tail], logits: Sequence[Row]) -> list[Outcome]:
        return [Outcome(tail.chunk.request, event) for tail in tails for event in self._follow(tail, logits)]

    def _follow(self, tail: Tail, logits: Sequence[Row]) -> list[TokenEvent]:
        """Take the request's next token, and go on as long as its draft comes true.

        So each token is chosen when everything before it is known, just as without a draft.
        """
        request, events = tail.chunk.request, []
        for row, guess in zip(tail.rows, [*tail.chunk.draft, None], strict=True):
            sample = self.sampler.sample(None if row is None else logits[row], request)
            events.append(self._commit(request, sample))
            if events[-1].finish_reason is not None or sample.token_id != guess:
                break
        return join(events)

    def _commit(self, request: Request, sample: Sample) -> TokenEvent:
        try:
            event = commit(request, sample)
        except Exception as error:  # one request's text or grammar must not fail the others
            logger.exception("request %s: a token could not be taken in", request.request_id)
            event = finish(request, FinishReason.ERROR, f"{type(error).__name__} in the engine")
        if sample.is_broken:
            self._quarantine(request)
        return event

    def _refuse_broken(self, chunks: Sequence[Chunk], hidden_TE: Tensor, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """End what has a token, anywhere in this step, whose numbers are not finite: nobody may share or inherit it."""
        ended = {request for request, event in outcomes if event.finish_reason is not None}
        broken = [chunk.request for chunk in broken_chunks(chunks, hidden_TE)]
        for request in broken:
            self._quarantine(request)
        return [Outcome(r, finish(r, FinishReason.ERROR, BROKEN)) for r in broken if r not in ended]

    def _settle(self, request: Request, event: TokenEvent) -> Outcome:
        self.counters.count(event)
        if event.finish_reason is not None:
            self.scheduler.remove(request)
            event = replace(event, prediction=self.speculator.prediction_use(request))
        return Outcome(request, event)

    def _quarantine(self, request: Request) -> None:
        """What it cached may be NaN: share none of it, and leave nothing of it for the next owner of its blocks."""
        request.namespace = None
        self.scheduler.cache.discard(request.block_table)
        pool = self.scheduler.pool
        self.runner.clear([block for block in request.block_table if not pool.is_shared(block)])


def _speculation(config: EngineConfig, runner: ModelRunner) -> str:
    """By itself only where a row has the same bits whatever is computed along, so that no answer depends on guesses."""
    return "off" if config.speculation == "auto" and not runner.is_invariant else config.speculation


class ThreadEngine:
    """An `EngineClient` whose compute is a thread of this process. Use it from one event loop.

    `keep` are special tokens that stay in the text (a family's tool-call marks). For `store`, which is closed
    with the engine, `identity` and `draft` see `EngineCore`.
    """

    def __init__(
        self,
        model: Transformer | PackedModel,
        tokenizer: Tokenizer,
        config: EngineConfig,
        *,
        keep: frozenset[int] = frozenset(),
        store: KVStore | None = None,
        identity: str = "",
        draft: Transformer | PackedModel | None = None,
    ) -> None:
        self._core = EngineCore(model, tokenizer, config, store, identity, draft)
        vocab_size = min(tokenizer.vocab_size, model.config.vocab_size)
        self._submissions = Submissions(
            tokenizer, keep, self._core.max_model_len, config.max_queue, config.prefix_cache, vocab_size
        )
        self._compiler = ConstraintCompiler(tokenizer)
        self._admission = Admission(config.capacity + config.reserve)
        self._wake = threading.Condition()  # guards the four below
        self._arrivals: list[tuple[Request, Stream]] = []
        self._departures: list[Request] = []
        self._is_closing = False
        self._failure: str | None = None  # why nothing more is taken
        self._streams: dict[Request, Stream] = {}  # the thread's own
        self._thread = threading.Thread(target=self._run, args=(config.threads,), name="owngpt-engine", daemon=True)
        self._thread.start()

    @property
    def max_model_len(self) -> int:
        """Prompt plus completion, in tokens."""
        return self._core.max_model_len

    @property
    def numerics(self) -> str:
        """Names all arithmetic between token ids in and token ids out: the model's, and that of sampling."""
        return f"{self._core.runner.numerics}; sampling numpy {np.__version__} {get_cpu_capability()}"

    @property
    def is_alive(self) -> bool:
        """See `EngineClient.is_alive`."""
        return self._failure is None

    @asynccontextmanager
    async def submit(
        self,
        prompt: Sequence[int],
        sampling: SamplingParams,
        *,
        constraint: Constraint | None = None,
        namespace: str = "",
        is_durable: bool = True,
        request_id: str = "",
        claim: Claim = ANYONE,
    ) -> AsyncIterator[AsyncIterator[TokenEvent]]:
        """See `EngineClient.submit`."""
        self._submissions.check(prompt, sampling)
        check_deadline(self._core.scheduler, claim, len(prompt), monotonic())
        with self._admission.enter(sampling.n) as stream:
            matcher = None if constraint is None else await self._compiler.compile(constraint)
            requests = self._submissions.requests(prompt, sampling, matcher, namespace, request_id, claim, is_durable)
            self._post(arrivals=[(request, stream) for request in requests])
            try:
                yield stream.events()
            finally:
                if stream.num_open:
                    self._post(departures=requests)

    def stats(self) -> EngineStats:
        """Counters and gauges now."""
        stats, arrived = self._core.stats(), Counter(request.claim.tier.label for request, _ in self._arrivals)
        tiers = {
            label: tier._replace(num_waiting=tier.num_waiting + arrived[label]) for label, tier in stats.tiers.items()
        }
        return replace(stats, num_waiting=stats.num_waiting + arrived.total(), tiers=tiers)

    async def drain(self) -> None:
        """Accept nothing new; return when all running requests have ended."""
        await self._admission.drain()

    def close(self) -> None:
        """Abort what runs (its clients get `EngineFailed`), stop the thread, free the memory. Idempotent."""
        with self._wake:
            if self._is_closing:
                return
            self._is_closing = True
            self._wake.notify()
        self._thread.join()
        self._compiler.close()
        self._core.close()

    def _post(self, arrivals: Iterable[tuple[Request, Stream]] = (), departures: Iterable[Request] = ()) -> None:
        with self._wake:
            if self._failure is not None and arrivals:
                raise ServiceUnavailable(self._failure) if self._is_closing else EngineFailed(self._failure)
            self._arrivals += arrivals
            self._departures += departures
            self._wake.notify()

    def _run(self, num_threads: int | None) -> None:
        """The thread. Whatever happens, every request gets an answer."""
        failure = "the engine has died; see the server's log"
        try:
            if num_threads is not None:
                torch.set_num_threads(num_threads)
            while self._take_mail():
                self._refuse_late()
                if self._core.has_work:
                    self._step()
                else:
                    self._core.idle()
            failure = "the engine is shutting down"
        except Exception:
            logger.critical("the engine has died", exc_info=True)
        finally:
            self._end(failure)

    def _take_mail(self) -> bool:
        """Wait for something to do; take in arrivals and departures. False when it is time to end."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._arrivals or self._departures or self._is_closing or self._core.has_work,
                timeout=_PATIENCE if self._core.is_saving else None,
            )
            arrivals, self._arrivals = self._arrivals, []
            departures, self._departures = self._departures, []
        for request, stream in arrivals:
            self._streams[request] = stream
            self._core.add(request)
        for request in departures:
            self._drop(request)
        return not self._is_closing

    def _refuse_late(self) -> None:
        late = self._core.scheduler.overdue(monotonic())
        for request in late:
            self._core.abort(request)
        self._deliver([(request, too_late()) for request in late])

    def _step(self) -> None:
        """One step. If it raises, those that took part fail and the others go on, provided that the books are right.

        Where nobody took part, the next step would fail likewise, and so on for ever: then the engine dies.
        """
        try:
            outcomes = self._core.step()
        except Exception:
            logger.exception("a step of the engine failed")
            self._core.fail_running()
            ended = [request for request in self._streams if request.state is RequestState.FINISHED]
            if not ended:
                raise
            self._deliver([(request, EngineFailed("the engine failed at this request")) for request in ended])
        else:
            self._deliver(outcomes)

    def _end(self, failure: str) -> None:
        with self._wake:
            self._failure = failure
            arrivals, self._arrivals = self._arrivals, []
        self._streams.update(arrivals)
        self._deliver([(request, EngineFailed(failure)) for request in self._streams])

    def _deliver(self, news: Iterable[tuple[Request, TokenEvent | RequestError]]) -> None:
        """To each event loop in one go."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Stream, TokenEvent | RequestError]]] = {}
        for request, item in news:
            stream = self._streams[request]
            by_loop.setdefault(stream.loop, []).append((stream, item))
            if isinstance(item, RequestError) or item.finish_reason is not None:
                del self._streams[request]
        for loop, items in by_loop.items():
            try:
                loop.call_soon_threadsafe(_put_all, items)
            except RuntimeError:  # the loop is closed, so nobody listens there any more
                for request in [request for request, stream in self._streams.items() if stream.loop is loop]:
                    self._drop(request)

    def _drop(self, request: Request) -> None:
        """Its client is not there any more. Harmless when it has ended."""
        if self._streams.pop(request, None) is not None:
            self._core.abort(request)


def _put_all(items: Iterable[tuple[Stream, TokenEvent | RequestError]]) -> None:
    for stream, item in items:
        stream.put(item)

"""The circumstances of an answer: what else runs, how prompts are cut, what is cached, guessed, or computed twice."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.invariance.answers import Answer, Report, answer_alone, answer_together
from benchmarks.invariance.cases import MANY_TOKENS, Case, Maker
from owngpt.config import EngineConfig
from owngpt.engine.core import ThreadEngine
from owngpt.engine.kv_store import KVStore
from owngpt.engine.runner import block_bytes
from owngpt.model.packed_model import PackedModel, load_packed
from owngpt.text.chat import ChatRenderer
from owngpt.text.tokenizer import Tokenizer

_DISK_BYTES = 2**32
_SEED = 1  # of the order in which things are asked


@dataclass(frozen=True, slots=True)
class Setup:
    """One way to run. `blocks` is in longest requests; `must_have` names the counts that show that it was really so."""

    name: str
    engine: Mapping[str, Any] = field(default_factory=dict)
    blocks: float = 64
    must_have: tuple[str, ...] = ()
    is_new_process: bool = False
    has_disk: bool = False  # prefixes come from files that another engine has left
    draft_dtype: str | None = None  # the same weights in this format guess


ALONE = Setup("alone", {"prefix_cache": False, "speculation": "off", "max_batch_tokens": 4096, "threads": 1})
SETUPS = (
    Setup("in company", {"threads": 1, "speculation": "off"}, must_have=("cached",)),
    Setup("no prefix cache, steps of 37", {"threads": 1, "prefix_cache": False, "max_batch_tokens": 37}),
    Setup("few blocks", {"threads": 1, "speculation": "off", "max_batch_tokens": 96}, 1.1, ("cached", "preempted")),
    Setup("guesses", {"threads": 1, "speculation": "on"}, must_have=("cached", "guessed")),
    Setup(
        "guesses, few blocks, steps of 50",
        {"threads": 1, "speculation": "on", "max_batch_tokens": 50, "max_running": 24},
        1.1,
        ("cached", "preempted", "guessed"),
    ),
    Setup("2 threads, blocks of 32", {"threads": 2, "block_size": 32, "speculation": "auto"}, must_have=("cached",)),
    Setup("after a restart", {"threads": 1, "max_batch_tokens": 200}, must_have=("cached",), is_new_process=True),
    Setup("a draft model", {"threads": 1, "speculation": "on"}, must_have=("cached", "guessed"), draft_dtype="int4"),
    Setup("prefixes from disk", {"threads": 1, "speculation": "on"}, must_have=("restored",), has_disk=True),
)


class Run(NamedTuple):
    """The answers to all cases, and what happened on the way."""

    answers: list[Answer]
    counts: Mapping[str, int]  # prompt tokens cached, and restored from disk; requests preempted; tokens guessed


class Subject(NamedTuple):
    """What is asked: a model's folder in a number format, and how many cases of which length."""

    folder: Path
    dtype: str
    number: int
    longest: int


class Bench:
    """A subject with its model loaded."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.tokenizer = Tokenizer.load(subject.folder)
        chat = ChatRenderer.load(subject.folder, self.tokenizer)
        self.cases: Sequence[Case] = Maker(self.tokenizer, chat, subject.longest).cases(subject.number)
        self.model: PackedModel = load_packed(subject.folder, subject.dtype)

    def alone(self, report: Report) -> Run:
        """Every case by itself, with nothing that saves time."""
        with self._engine(ALONE) as engine:
            return Run(asyncio.run(answer_alone(engine, self.cases, report)), _counts(engine))

    def together(self, setup: Setup, report: Report, number: int | None = None) -> Run:
        """The first so many cases (None: all) in company. AssertionError if what the setup is for did not happen."""
        cases = self.cases[:number]
        if setup.is_new_process:
            return _in_new_process(self.subject._replace(number=len(cases)), setup)
        with _store(setup) as store:
            if store is not None:
                self._run(setup, cases, lambda _: None, store)
            run = self._run(setup, cases, report, store)
        for name in setup.must_have:
            assert run.counts[name] > 0, f"{setup.name}: nothing was {name}"
        return run

    def _run(self, setup: Setup, cases: Sequence[Case], report: Report, store: KVStore | None) -> Run:
        with self._engine(setup, store) as engine:
            return Run(asyncio.run(answer_together(engine, cases, _SEED, report)), _counts(engine))

    @contextmanager
    def _engine(self, setup: Setup, store: KVStore | None = None) -> Iterator[ThreadEngine]:
        config = EngineConfig(max_model_len=self.subject.longest + MANY_TOKENS, max_queue=256, **setup.engine)
        blocks = -(-(self.subject.longest + MANY_TOKENS) // config.block_size)
        memory = int(setup.blocks * blocks) * block_bytes(self.model, config.block_size)
        engine = ThreadEngine(
            self.model,
            self.tokenizer,
            replace(config, kv_memory=memory),
            store=store and store.retain(),
            identity="this",
        )
        try:
            yield engine
            engine._core.scheduler.check_integrity()
        finally:
            engine.close()


@contextmanager
def _store(setup: Setup) -> Iterator[KVStore | None]:
    """A folder for prefixes, where the setup has one."""
    if not setup.has_disk:
        yield None
        return
    with TemporaryDirectory() as folder, closing(KVStore(Path(folder), _DISK_BYTES).retain()) as store:
        yield store


def _counts(engine: ThreadEngine) -> dict[str, int]:
    stats = engine.stats()
    disk = engine._core.disk
    return {
        "cached": stats.cached_tokens,
        "restored": 0 if disk is None else disk.restored_tokens,
        "preempted": stats.preemptions,
        "guessed": stats.accepted_tokens,
    }


def _in_new_process(subject: Subject, setup: Setup) -> Run:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_run_here, subject, setup).result()


def _run_here(subject: Subject, setup: Setup) -> Run:
    return Bench(subject).together(replace(setup, is_new_process=False), lambda _: None)

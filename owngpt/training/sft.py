"""Supervised tuning: conversations, with the loss on what the assistant says.

Logits are made for the answers only: what people, systems and tools say is read, and costs no output head.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path

import torch

from owngpt.errors import SetupError
from owngpt.model.transformer import Transformer
from owngpt.training.conversations import (
    Conversation,
    Example,
    TurnEncoder,
    corpus_conversations,
    encode_all,
    held_out_conversations,
)
from owngpt.training.corpus import MANIFEST
from owngpt.training.evaluate import output_head
from owngpt.training.examples import Examples
from owngpt.training.logprobs import score_tokens
from owngpt.training.loss import next_token_loss
from owngpt.training.openai_data import read_conversations
from owngpt.training.tuning import Progress, Taken, TuneConfig, Tuner, export_tuned, load_for_tuning, planned_steps

HELD_OUT_ONE_IN = 20  # conversations of a file
HELD_OUT = 256  # at most
LEARNING = 0.8  # the rest is for measuring, saving, and other programs
READING = 0.1  # of a budget of time, at most: turning conversations into tokens
PROGRESS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class SftConfig:
    """What is read, and how. `rate` is a tenth of pretraining's: the model is not to forget what it read."""

    epochs: float = 2.0
    minutes: float | None = None  # instead of `epochs`
    max_tokens: int = 3_000_000  # of a corpus, in one epoch
    batch_tokens: int = 8192
    context: int = 2048  # longer conversations are left out
    tune: TuneConfig = field(default_factory=lambda: TuneConfig(num_steps=0, rate=0.1))


class Supervised:
    """The objective: cross-entropy of the answers' tokens, each of a step with the same weight."""

    def __init__(self, model: Transformer, train: Examples, held_out: Examples, config: SftConfig) -> None:
        self.model, self.train, self.held_out, self.config = model, train, held_out, config
        self._batches = self._from(0)
        self._next = 0

    def take(self, step: int, accumulate: Callable[[], None]) -> Taken:
        """See `Objective`."""
        if step != self._next:
            self._batches = self._from(step)
        batch, self._next = next(self._batches), step + 1
        num_answer = sum(sum(self.train[index].is_answer[1:]) for index in batch)
        loss = torch.zeros((), device=self.model.device)
        for part in self.train.passes(batch, self.config.tune.pass_tokens):
            loss += self._backward(part, num_answer)
            accumulate()
        return Taken(float(loss), sum(map(self.train.size, batch)))

    def measure(self) -> dict[str, float]:
        """Nats per token of held-out answers, and how many of these tokens were the likeliest."""
        nats, num_best, num = 0.0, 0, 0
        with torch.no_grad():
            for part in self.held_out.passes(range(len(self.held_out)), self.config.tune.pass_tokens):
                row = self.held_out.pack(part, self.model.device)
                hidden_NE, targets_N = row.hidden(self.model)[row.is_answer_T], row.targets_T[row.is_answer_T]
                scores = score_tokens(hidden_NE, output_head(self.model), targets_N)
                nats -= float(scores.logprobs_T.sum())
                num_best += int(scores.is_best_T.sum())
                num += len(targets_N)
        return {"answer_loss": nats / max(1, num), "answer_accuracy": num_best / max(1, num)}

    def seconds_per_token(self) -> float:
        """Timed on one pass, which moves nothing."""
        batch = next(self.train.batches(self.config.tune.pass_tokens, 0))
        for _ in range(2):  # the first one warms up
            start = time.monotonic()
            self._backward(batch, 1)
            self.model.zero_grad(set_to_none=True)
        return (time.monotonic() - start) / sum(map(self.train.size, batch))

    def _backward(self, part: Sequence[int], num_answer: int) -> torch.Tensor:
        row = self.train.pack(part, self.model.device)
        hidden_NE, targets_N = row.hidden(self.model)[row.is_answer_T], row.targets_T[row.is_answer_T]
        loss = next_token_loss(hidden_NE, output_head(self.model), targets_N) * (len(targets_N) / num_answer)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _from(self, step: int) -> Iterator[list[int]]:
        return islice(self.train.batches(self.config.batch_tokens, self.config.tune.seed), step, None)


def tune_supervised(
    base: Path,
    out: Path,
    config: SftConfig,
    *,
    corpus: Path | None = None,
    data: Path | None = None,
    dtype: torch.dtype = torch.bfloat16,
    device: torch.device | None = None,
    progress: Progress = print,
) -> Tuner:
    """Tune the model of `base` on a corpus' conversations or a file of them; the result is `out/model`.

    A checkpoint that is already in `out` is gone on from. `SetupError` says what is missing or cannot be read.
    """
    model = load_for_tuning(base, dtype, device or torch.device("cpu"))
    config = replace(config, context=min(config.context, model.config.max_position))
    encoder = TurnEncoder.load(base)
    digest = _digest(corpus, data, encoder, config)
    train, held_out = _examples(out, digest, encoder, config, corpus, data, progress)
    objective = Supervised(model, train, held_out, config)
    planned = planned_steps(out) if config.minutes is not None else None
    num_steps = planned or _num_steps(config, objective)
    objective.config = replace(config, tune=replace(config.tune, num_steps=num_steps))
    progress(
        f"{len(train)} examples, {train.num_tokens} tokens, {int(train.is_answer_N.sum())} of them learned; "
        f"{num_steps} steps, {num_steps * config.batch_tokens / train.num_tokens:.1f} epochs"
    )
    settings = {"batch_tokens": config.batch_tokens, "data": digest}
    tuner = Tuner(model, objective, objective.config.tune, out, progress, settings=settings)
    export_tuned(base, out / "model", tuner.run())
    return tuner


def _num_steps(config: SftConfig, objective: Supervised) -> int:
    num_tokens = config.epochs * objective.train.num_tokens
    if config.minutes is not None:
        num_tokens = LEARNING * config.minutes * 60 / objective.seconds_per_token()
    return max(1, round(num_tokens / config.batch_tokens))


def _examples(
    out: Path,
    digest: str,
    encoder: TurnEncoder,
    config: SftConfig,
    corpus: Path | None,
    data: Path | None,
    progress: Progress,
) -> tuple[Examples, Examples]:
    """Those to train on and those held out; kept in `out`, so that a killed run need not make them again."""
    files = [out / "examples" / f"{name}.npz" for name in ("train", "held_out")]
    train, held_out = (Examples.load(file, digest) for file in files)
    if train is None or held_out is None:
        read, apart = _of_corpus(corpus) if corpus else _of_file(data)
        train = Examples.of(_encoded(encoder, read, config, progress))
        held_out = Examples.of(_encoded(encoder, islice(apart, HELD_OUT), config, progress))
        if not len(train) or not len(held_out):
            raise SetupError("there is nothing to tune on, or nothing to hold out; give two conversations or more")
        train.save(files[0], digest)
        held_out.save(files[1], digest)
    return train, held_out


def _of_corpus(corpus: Path) -> tuple[Iterator[Conversation], Iterator[Conversation]]:
    return corpus_conversations(corpus), held_out_conversations(corpus)


def _of_file(data: Path | None) -> tuple[Iterator[Conversation], Iterator[Conversation]]:
    """By the hash of what was said; one is held out in any case."""
    assert data is not None, "the command line asks for one of the two"
    ranked = sorted(read_conversations(data), key=lambda one: sha256(repr(one.messages).encode()).digest())
    num_held_out = max(1, len(ranked) // HELD_OUT_ONE_IN)
    return iter(ranked[num_held_out:]), iter(ranked[:num_held_out])


def _encoded(
    encoder: TurnEncoder, conversations: Iterator[Conversation], config: SftConfig, progress: Progress
) -> Iterator[Example]:
    """Up to about `max_tokens`, or for a share of `minutes`; progress says how far, and what was too long."""
    num_tokens = num_left_out = 0
    start = shown = time.monotonic()
    seconds = math.inf if config.minutes is None else READING * 60 * config.minutes
    for examples in encode_all(encoder, conversations, config.context):
        num_left_out += not examples
        num_tokens += sum(len(example.ids) for example in examples)
        yield from examples
        if time.monotonic() - shown > PROGRESS_SECONDS:
            shown = time.monotonic()
            progress(f"reading conversations: {num_tokens / 1e6:.2f} M tokens")
        if num_tokens >= config.max_tokens or (num_tokens and time.monotonic() - start > seconds):
            break
    if num_left_out:
        progress(f"{num_left_out} conversations are longer than context={config.context}, and left out")


def _digest(corpus: Path | None, data: Path | None, encoder: TurnEncoder, config: SftConfig) -> str:
    """Of everything that decides the examples."""
    read = (corpus / MANIFEST if corpus else data or Path()).read_bytes()
    parts = (sha256(read).hexdigest(), encoder.chat.digest, config.context, config.max_tokens)
    return sha256(repr(parts).encode()).hexdigest()[:16]

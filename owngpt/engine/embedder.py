"""ThreadEmbedder: embeddings have their own thread, so they never wait behind a generation.

Inputs of all callers are taken in turns and batched with others of about their length, so that little is padded and a
caller with a hundred thousand texts does not hold up one with a single text.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from owngpt.errors import EngineFailed, InvalidRequest, ServiceUnavailable
from owngpt.model.encoder import Encoder

logger = logging.getLogger(__name__)

MAX_BATCH_TOKENS = 4096  # padding included
MAX_PADDING = 0.25  # of a batch
_WINDOW = 256  # inputs that are sorted by length together

Vectors = list[list[float]]


class Job:
    """The inputs of one call, and the vectors that are already there."""

    def __init__(self, inputs: Sequence[Sequence[int]]) -> None:
        self.inputs = inputs
        self.vectors: Vectors = [[] for _ in inputs]
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Vectors] = self.loop.create_future()
        self.num_taken = 0
        self.num_left = len(inputs)

    def take(self, count: int) -> list[Input]:
        """The next inputs; none if the caller has left."""
        if self.future.cancelled():
            self.num_taken = len(self.inputs)
            return []
        start, self.num_taken = self.num_taken, min(self.num_taken + count, len(self.inputs))
        return [Input(self, i) for i in range(start, self.num_taken)]

    def fail(self, error: EngineFailed) -> None:
        """Answer with the error, and take no more inputs."""
        self.num_taken = len(self.inputs)
        self.answer(error)

    def answer(self, result: Vectors | EngineFailed) -> None:
        """From any thread."""
        with suppress(RuntimeError):  # the loop is closed, so nobody waits there any more
            self.loop.call_soon_threadsafe(_resolve, self.future, result)


class Input(NamedTuple):
    """One text of a job."""

    job: Job
    number: int

    @property
    def ids(self) -> Sequence[int]:
        return self.job.inputs[self.number]


class ThreadEmbedder:
    """An `EmbedderClient` whose compute is a thread of this process.

    With a `niceness` (as of processes: 19 is the most) it takes what the threads of others leave, where the system is
    Linux.
    """

    def __init__(self, encoder: Encoder, *, threads: int | None = None, niceness: int = 0) -> None:
        self._encoder = encoder
        self._wake = threading.Condition()  # guards the two below
        self._jobs: deque[Job] = deque()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, args=(threads, niceness), name="owngpt-embedder", daemon=True)
        self._thread.start()

    @property
    def thread_id(self) -> int:
        """As the system knows it."""
        assert self._thread.native_id is not None, "a thread that has started has one"
        return self._thread.native_id

    @property
    def dimensions(self) -> int:
        return self._encoder.dimensions

    @property
    def max_input_tokens(self) -> int:
        return self._encoder.max_length

    async def embed(self, inputs: Sequence[Sequence[int]]) -> Vectors:
        """One unit-length vector per input, in order; any number of inputs.

        Raises `InvalidRequest` (an input is empty, too long, or has ids outside the vocabulary), `EngineFailed`, and
        `ServiceUnavailable` after `close`.
        """
        for number, ids in enumerate(inputs):
            self._check(number, ids)
        if not inputs:
            return []
        job = Job(inputs)
        with self._wake:
            if self._is_closed:
                raise ServiceUnavailable("the server is shutting down; send the request again in a moment")
            self._jobs.append(job)
            self._wake.notify()
        return await job.future

    def close(self) -> None:
        """Answer what waits with `EngineFailed` and stop the thread. Idempotent."""
        with self._wake:
            self._is_closed = True
            self._wake.notify()
        self._thread.join()

    def _check(self, number: int, ids: Sequence[int]) -> None:
        if not ids:
            raise InvalidRequest("the input is empty", param=f"input[{number}]")
        if len(ids) > self.max_input_tokens:
            raise InvalidRequest(
                f"input[{number}] has {len(ids)} tokens; this model takes {self.max_input_tokens}",
                param=f"input[{number}]",
                code="context_length_exceeded",
            )
        vocab_size = self._encoder.config.vocab_size
        if min(ids) < 0 or max(ids) >= vocab_size:
            raise InvalidRequest(
                f"input[{number}] has a token id outside the vocabulary of {vocab_size}", param=f"input[{number}]"
            )

    def _run(self, num_threads: int | None, niceness: int) -> None:
        if niceness and sys.platform == "linux":  # the threads of its matrix products are born with it
            os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + niceness)
        if num_threads is not None:
            torch.set_num_threads(num_threads)
        while window := self._take():
            for batch in pack(window):
                self._embed(batch)
        for job in self._jobs:
            job.answer(EngineFailed("the embedder is shutting down"))

    def _take(self) -> list[Input]:
        """The next inputs, a fair share from each job; none when it is time to end."""
        window: list[Input] = []
        with self._wake:
            while not window and not self._is_closed:
                self._wake.wait_for(lambda: self._jobs or self._is_closed)
                share = max(1, _WINDOW // max(1, len(self._jobs)))
                window = [text for job in self._jobs for text in job.take(share)]
                self._jobs = deque(job for job in self._jobs if job.num_taken < len(job.inputs))
        return window

    def _embed(self, batch: list[Input]) -> None:
        try:
            vectors = unit_vectors(self._encoder, [text.ids for text in batch])
        except Exception:
            logger.exception("a batch of %d texts could not be embedded", len(batch))
            for job in {text.job for text in batch}:
                job.fail(EngineFailed("the embedder failed at this request"))
            return
        for text, vector in zip(batch, vectors.tolist(), strict=True):
            text.job.vectors[text.number] = vector
            text.job.num_left -= 1
            if text.job.num_left == 0:
                text.job.answer(text.job.vectors)


def unit_vectors(encoder: Encoder, inputs: Sequence[Sequence[int]]) -> Tensor:
    """[B, E] float32, also where the checkpoint itself does not normalize."""
    return normalize(encoder.encode(inputs), dim=-1)


def pack(inputs: Sequence[Input]) -> Iterator[list[Input]]:
    """Batches of similar length: at most `MAX_BATCH_TOKENS` (or one input) and `MAX_PADDING` of padding each."""
    batch: list[Input] = []
    for text in sorted(inputs, key=lambda text: len(text.ids), reverse=True):
        longest = len(batch[0].ids) if batch else len(text.ids)
        is_full = (len(batch) + 1) * longest > MAX_BATCH_TOKENS
        if batch and (is_full or len(text.ids) < longest * (1 - MAX_PADDING)):
            yield batch
            batch = []
        batch.append(text)
    if batch:
        yield batch


def _resolve(future: asyncio.Future[Vectors], result: Vectors | EngineFailed) -> None:
    if future.done():
        return
    if isinstance(result, EngineFailed):
        future.set_exception(result)
    else:
        future.set_result(result)

"""DraftModel: a smaller model with the same tokens, which guesses what the one that answers is going to say.

It keeps keys and values of its own under the same block numbers, so whoever shares, frees or stores blocks does so for
both. A block that is full is complete for both before it is shared.

Shapes: T new tokens of a forward, R requests that go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from owngpt.engine.batch import ForwardBatch
from owngpt.engine.logprobs import Row, rows_of
from owngpt.engine.request import Request
from owngpt.engine.runner import ModelRunner
from owngpt.engine.sampler import draw
from owngpt.engine.scheduler import Chunk


class PairedRunner:
    """The model that answers; but its blocks are those of both models."""

    is_invariant: bool

    def __init__(self, answering: ModelRunner, guessing: ModelRunner) -> None:
        self._answering = answering
        self._guessing = guessing
        self.config = answering.config
        self.numerics = answering.numerics
        self.is_invariant = answering.is_invariant
        self.block_bytes = answering.block_bytes + guessing.block_bytes

    def forward(self, batch: ForwardBatch) -> Tensor:
        """See `ModelRunner`."""
        return self._answering.forward(batch)

    def logits(self, hidden_NE: Tensor) -> Tensor:
        """See `ModelRunner`."""
        return self._answering.logits(hidden_NE)

    def clear(self, blocks: Sequence[int]) -> None:
        """See `ModelRunner`."""
        self._answering.clear(blocks)
        self._guessing.clear(blocks)

    def read_block(self, block: int) -> Tensor:
        """See `ModelRunner`."""
        return torch.cat([self._answering.read_block(block), self._guessing.read_block(block)])

    def write_block(self, block: int, data: Tensor) -> None:
        """See `ModelRunner`."""
        self._answering.write_block(block, data[: self._answering.block_bytes])
        self._guessing.write_block(block, data[self._answering.block_bytes :])

    def close(self) -> None:
        """See `ModelRunner`."""
        self._answering.close()
        self._guessing.close()


class DraftModel:
    """Guesses with the random numbers that the answer is going to be drawn with, so two models that agree say the same.

    Penalties, biases and grammars are left to the one that answers.
    """

    def __init__(self, runner: ModelRunner, vocab_size: int, block_size: int) -> None:
        self._runner = runner
        self._vocab_size = vocab_size
        self._block_size = block_size
        self._num_mirrored: WeakKeyDictionary[Request, int] = WeakKeyDictionary()
        self.max_position = runner.config.max_position
        self.seconds = 0.0  # spent since the start

    def mirror(self, chunks: Sequence[Chunk]) -> None:
        """The step of these chunks is done, its tokens are known: before blocks that are full now are shared."""
        begin = perf_counter()
        behind = [chunk for chunk in map(self._behind, chunks) if chunk is not None]
        if behind:
            self._forward(behind)
            self._num_mirrored.update((chunk.request, chunk.end) for chunk in behind)
        self.seconds += perf_counter() - begin

    def guess(self, counts: Mapping[Request, int]) -> dict[Request, list[int]]:
        """So many next tokens of each request; there are slots for them. `counts` are at least 1."""
        begin = perf_counter()
        guesses: dict[Request, list[int]] = {request: [] for request in counts}
        chunks = [self._unread(request) for request in counts]
        for depth in range(max(counts.values())):
            rows = self._logits(chunks)
            for chunk, row in zip(chunks, rows, strict=True):
                guesses[chunk.request].append(self._pick(row, chunk.request, depth))
            chunks = [_next(chunk, guesses[chunk.request][-1]) for chunk in chunks if counts[chunk.request] > depth + 1]
        self._num_mirrored.update((request, len(request.token_ids)) for request in counts)
        self.seconds += perf_counter() - begin
        return guesses

    def _unread(self, request: Request) -> Chunk:
        """The known tokens that this model has not seen: the last one, and what was said without its guesses."""
        start = min(self._num_mirrored.get(request, request.num_computed_tokens), request.num_computed_tokens)
        return Chunk(request, start, len(request.token_ids), is_last=False)

    def _behind(self, chunk: Chunk) -> Chunk | None:
        """What has to be read for blocks to be complete, if any of them has become full."""
        request, end = chunk.request, chunk.end + chunk.num_accepted
        start = min(self._num_mirrored.get(request, chunk.start), chunk.start)
        self._num_mirrored[request] = start
        is_full = end // self._block_size > start // self._block_size
        return Chunk(request, start, end, is_last=False) if is_full and end <= self.max_position else None

    def _logits(self, chunks: Sequence[Chunk]) -> list[Row]:
        """Behind the last token of each."""
        hidden_TE, batch = self._forward(chunks)
        last_R = torch.tensor(batch.paged.query_starts[1:]) - 1
        return rows_of(self._runner.logits(hidden_TE[last_R]))

    def _forward(self, chunks: Sequence[Chunk]) -> tuple[Tensor, ForwardBatch]:
        batch = ForwardBatch.build(chunks, self._block_size, reads_ends=True)
        return self._runner.forward(batch), batch

    def _pick(self, logits_V: Row, request: Request, ahead: int) -> int:
        known_V = logits_V[: self._vocab_size]
        if request.sampling.temperature == 0:
            return int(known_V.argmax())
        return draw(known_V, request.sampling, request.draw(ahead))


def _next(chunk: Chunk, token_id: int) -> Chunk:
    """One guess on."""
    return Chunk(chunk.request, chunk.stop, chunk.stop, is_last=False, draft=(token_id,))

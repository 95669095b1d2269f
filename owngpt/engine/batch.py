"""ForwardBatch: the tensors of one step.

Shapes: T new tokens of all chunks, laid end to end; N chunks that reach the end of their request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from owngpt.engine.request import Request
from owngpt.engine.scheduler import Chunk
from owngpt.model.attention import PagedBatch


@dataclass(frozen=True, slots=True)
class ForwardBatch:
    """What the model reads, and whose next token it is to say."""

    tokens_T: Tensor  # int64
    positions_T: Tensor  # int64
    paged: PagedBatch
    sampled: list[Request]  # N
    last_rows_N: Tensor  # int64: the row of each one's last token

    @classmethod
    def build(cls, chunks: Sequence[Chunk], block_size: int) -> ForwardBatch:
        starts = [0, *accumulate(chunk.stop - chunk.start for chunk in chunks)]
        last = [i for i, chunk in enumerate(chunks) if chunk.is_last]
        return cls(
            tokens_T=torch.tensor([token for chunk in chunks for token in chunk.token_ids]),
            positions_T=torch.tensor([p for chunk in chunks for p in range(chunk.start, chunk.stop)]),
            paged=PagedBatch(
                slots_T=torch.tensor([slot for chunk in chunks for slot in _slots(chunk, block_size)]),
                query_starts=starts,
                context_lens=[chunk.stop for chunk in chunks],
                block_tables=[torch.tensor(chunk.request.block_table) for chunk in chunks],
            ),
            sampled=[chunks[i].request for i in last],
            last_rows_N=torch.tensor([starts[i + 1] - 1 for i in last], dtype=torch.int64),
        )


def _slots(chunk: Chunk, block_size: int) -> list[int]:
    table = chunk.request.block_table
    return [table[p // block_size] * block_size + p % block_size for p in range(chunk.start, chunk.stop)]

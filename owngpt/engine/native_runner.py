"""NativeRunner: a packed model run by the compiled kernels. A row has the same bits whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from owngpt.engine.batch import ForwardBatch
from owngpt.kernels.library import Library
from owngpt.model.native import NativeDecoder
from owngpt.model.packed_model import PackedModel


class NativeRunner:
    """A `ModelRunner` over `num_blocks` blocks of KV memory. Hidden states are padded at their end.

    `threads`: as in `NativeDecoder`.
    """

    is_invariant = True

    def __init__(
        self, model: PackedModel, library: Library, num_blocks: int, block_size: int, threads: int | None = None
    ) -> None:
        self.config = model.config
        self._decoder = NativeDecoder(model, library, num_blocks, block_size, threads)
        self.numerics = self._decoder.numerics
        self.block_bytes = self._decoder.block_bytes

    @torch.inference_mode()
    def forward(self, batch: ForwardBatch) -> Tensor:
        """See `ModelRunner`."""
        return self._decoder.forward(batch.tokens_T, batch.positions_T, batch.paged, batch.hidden_rows_M)

    @torch.inference_mode()
    def logits(self, hidden_NE: Tensor) -> Tensor:
        """See `ModelRunner`."""
        return self._decoder.logits(hidden_NE)

    def clear(self, blocks: Sequence[int]) -> None:
        """See `ModelRunner`."""
        for block in blocks:
            self._bytes(block).zero_()

    def read_block(self, block: int) -> Tensor:
        """See `ModelRunner`."""
        return self._bytes(block).clone()

    def write_block(self, block: int, data: Tensor) -> None:
        """See `ModelRunner`."""
        self._bytes(block).copy_(data)

    def close(self) -> None:
        """See `ModelRunner`."""
        self._decoder.close()

    def _bytes(self, block: int) -> Tensor:
        return self._decoder.kv[block * self.block_bytes : (block + 1) * self.block_bytes]

"""ModelRunner: the weights and the KV tensors; one forward. It does not know whose tokens these are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from owngpt.engine.batch import ForwardBatch
from owngpt.model.attention import KVCache, PagedAttention
from owngpt.model.transformer import Transformer


class ModelRunner:
    """Runs `model` over `num_blocks` blocks of KV memory."""

    def __init__(self, model: Transformer, num_blocks: int, block_size: int) -> None:
        self.model = model
        self.cache = KVCache(model.config, num_blocks, block_size, model.dtype)

    @torch.inference_mode()
    def forward(self, batch: ForwardBatch) -> Tensor:
        """hidden_TE of all new tokens; their keys and values are in the cache afterwards."""
        attention = PagedAttention(self.model.config, self.cache, batch.paged)
        hidden_TE: Tensor = self.model(batch.tokens_T, batch.positions_T, attention)
        return hidden_TE

    @torch.inference_mode()
    def logits(self, hidden_NE: Tensor) -> Tensor:
        """logits_NV, float32."""
        return self.model.logits(hidden_NE)

    @torch.inference_mode()
    def clear(self, blocks: Sequence[int]) -> None:
        """Zero these blocks. A NaN left behind would reach whoever gets the block next: 0 * NaN is NaN."""
        index = torch.tensor(blocks, dtype=torch.int64)
        for tensor in (*self.cache.key, *self.cache.value):
            tensor.view(self.cache.num_blocks, self.cache.block_size, *tensor.shape[1:]).index_fill_(0, index, 0)

    def close(self) -> None:
        """Free the KV memory."""
        self.cache.key.clear()
        self.cache.value.clear()

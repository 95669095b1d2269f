"""ModelRunner: the weights and the KV memory; one forward. It does not know whose tokens these are.

`TorchRunner` runs a `Transformer` by PyTorch, where its weights are: CPU or GPU. `NativeRunner` runs a `PackedModel` by
the compiled kernels. Shapes: T new tokens of a step, N rows that logits are asked for, E hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from owngpt.engine.batch import ForwardBatch
from owngpt.engine.graph_runner import StaticDecoder, is_static
from owngpt.engine.native_runner import NativeRunner
from owngpt.kernels import library
from owngpt.model import native
from owngpt.model.attention import KVCache, PagedAttention
from owngpt.model.config import ModelConfig
from owngpt.model.packed_model import PackedModel
from owngpt.model.transformer import Transformer


class ModelRunner(Protocol):
    """What the engine computes with. Used by one thread at a time."""

    config: ModelConfig
    numerics: str  # names the arithmetic; two runners of the same weights and numerics give the same bits
    is_invariant: bool  # whether a row has the same bits whatever else is in the batch
    block_bytes: int  # of the keys and values of one block, all layers

    def forward(self, batch: ForwardBatch) -> Tensor:
        """hidden_TE of the new tokens; their keys and values are in the cache afterwards.

        Rows that are not among `batch.hidden_rows_M` may hold anything, and are finite only if their keys and values
        are.
        """
        ...

    def logits(self, hidden_NE: Tensor) -> Tensor:
        """logits_NV, float32."""
        ...

    def clear(self, blocks: Sequence[int]) -> None:
        """Zero these blocks. A NaN left behind would reach whoever gets the block next: 0 * NaN is NaN."""
        ...

    def read_block(self, block: int) -> Tensor:
        """A copy of the keys and values of a block: uint8 [block_bytes]."""
        ...

    def write_block(self, block: int, data: Tensor) -> None:
        """Put back what `read_block` gave, of a runner with the same numerics."""
        ...

    def close(self) -> None:
        """Free the KV memory."""
        ...


def make_runner(model: Transformer | PackedModel, num_blocks: int, block_size: int) -> ModelRunner:
    """The runner for this kind of model: a packed one is run by the compiled kernels, and needs them."""
    if not isinstance(model, PackedModel):
        return TorchRunner(model, num_blocks, block_size)
    kernels = library.chosen()
    assert kernels is not None, "a packed model without kernels; `to_transformer` unpacks it"
    return NativeRunner(model, kernels, num_blocks, block_size)


def block_bytes(model: Transformer | PackedModel, block_size: int) -> int:
    """What a block of KV memory costs, over all layers."""
    if isinstance(model, PackedModel):
        return native.block_bytes(model, block_size)
    return block_size * KVCache.bytes_per_token(model.config, model.dtype)


def device_of(model: Transformer | PackedModel) -> str:
    """Whose memory its blocks take: cpu or cuda."""
    return "cpu" if isinstance(model, PackedModel) else model.device.type


class TorchRunner:
    """Runs `model` over `num_blocks` blocks of KV memory. Its sums may depend on the shape of the batch.

    Batches come from the CPU; hidden states and logits are where the model is. `has_graphs`: whether decode steps have
    the shapes of CUDA graphs, None: on a GPU, where they are captured.
    """

    is_invariant = False

    def __init__(self, model: Transformer, num_blocks: int, block_size: int, *, has_graphs: bool | None = None) -> None:
        self.model = model
        self.config = model.config
        self.numerics = _numerics(model)
        self.block_bytes = block_bytes(model, block_size)
        has_graphs = is_static(model.config) and (model.device.type == "cuda" if has_graphs is None else has_graphs)
        self.cache = KVCache(model.config, num_blocks + has_graphs, block_size, model.dtype, model.device)
        self.decoder = StaticDecoder(model, self.cache, spare_block=num_blocks) if has_graphs else None

    @torch.inference_mode()
    def forward(self, batch: ForwardBatch) -> Tensor:
        """See `ModelRunner`."""
        if self.decoder is not None and self.decoder.takes(batch):
            return self.decoder.forward(batch)
        if self.model.device.type != "cpu":
            batch = batch.to(self.model.device)
        attention = PagedAttention(self.model.config, self.cache, batch.paged)
        hidden_TE: Tensor = self.model(batch.tokens_T, batch.positions_T, attention)
        return hidden_TE

    @torch.inference_mode()
    def logits(self, hidden_NE: Tensor) -> Tensor:
        """See `ModelRunner`."""
        return self.model.logits(hidden_NE)

    @torch.inference_mode()
    def clear(self, blocks: Sequence[int]) -> None:
        """See `ModelRunner`."""
        index = torch.tensor(blocks, dtype=torch.int64, device=self.model.device)
        for tensor in self._by_block():
            tensor.index_fill_(0, index, 0)

    @torch.inference_mode()
    def read_block(self, block: int) -> Tensor:
        """See `ModelRunner`."""
        return torch.cat([tensor[block].flatten().view(torch.uint8) for tensor in self._by_block()]).cpu()

    @torch.inference_mode()
    def write_block(self, block: int, data: Tensor) -> None:
        """See `ModelRunner`."""
        parts = data.to(self.model.device).chunk(2 * self.config.num_layers)
        for tensor, part in zip(self._by_block(), parts, strict=True):
            tensor[block].flatten().view(torch.uint8).copy_(part)

    def close(self) -> None:
        """See `ModelRunner`."""
        if self.decoder is not None:
            self.decoder.close()
        self.cache.key.clear()
        self.cache.value.clear()

    def _by_block(self) -> list[Tensor]:
        """Every layer's keys, then its values, as [num_blocks, block_size, K, D]."""
        cache = self.cache
        shape = (cache.num_blocks, cache.block_size)
        return [tensor.view(*shape, *tensor.shape[1:]) for tensor in (*cache.key, *cache.value)]


def _numerics(model: Transformer) -> str:
    """PyTorch, the processor, and the dtype."""
    device = torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else model.device.type
    return f"torch {torch.__version__} {device} {str(model.dtype).removeprefix('torch.')}"

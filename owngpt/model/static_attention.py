"""StaticAttention: one new token of each sequence, in shapes that say nothing of how long the sequences are.

What a CUDA graph replays has one shape, and reads what differs from step to step out of tensors. So every sequence
looks at as many blocks as its table is wide, and a mask made of the positions says which keys it really sees. The
arithmetic is that of `PagedAttention`.

Shapes: S sequences, B blocks of a table, W those that a window can see, L keys of W blocks, H query heads,
K key/value heads, D head dimension.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from owngpt.model.attention import KVCache, attend_singles, windows
from owngpt.model.config import ModelConfig


class StaticAttention:
    """Writes the S new keys and values to their slots, then each new token looks at its sequence's blocks.

    `positions_S` int64: where the new token stands. `tables_SB` int64: block ids in the order of the tokens; those
    behind the new token are read too, and masked, so they must be the sequence's own (another's NaN would pass).
    """

    def __init__(self, config: ModelConfig, cache: KVCache, positions_S: Tensor, tables_SB: Tensor) -> None:
        self.config = config
        self.cache = cache
        size = cache.block_size
        blocks_S = tables_SB.gather(1, (positions_S // size)[:, None])[:, 0]
        self._slots_S = blocks_S * size + positions_S % size
        self._views = {window: _view(positions_S, tables_SB, size, window) for window in windows(config)}

    def __call__(
        self, layer: int, q_SHD: Tensor, k_SKD: Tensor, v_SKD: Tensor, sinks_H: Tensor | None = None
    ) -> Tensor:
        self.cache.write(layer, self._slots_S, k_SKD, v_SKD)
        view = self._views[self.config.layers[layer].window]
        return attend_singles(self.config, self.cache, layer, q_SHD, view.blocks, view.mask, sinks_H)


class _View(NamedTuple):
    """What the layers of one window look at."""

    blocks: Tensor  # int64 [S * W]
    mask: Tensor  # bool [S, 1, 1, L]


def _view(positions_S: Tensor, tables_SB: Tensor, block_size: int, window: int | None) -> _View:
    num_blocks, positions_S1 = tables_SB.shape[1], positions_S[:, None]
    if window is None:
        keys_L = _count(num_blocks * block_size, positions_S)
        return _View(tables_SB.flatten(), (keys_L <= positions_S1)[:, None, None])
    most = min(num_blocks, -(-(window - 1) // block_size) + 1)  # blocks that so many positions in a row can touch
    first_S1 = (positions_S1 - window + 1).clamp(min=0) // block_size
    blocks_SW = tables_SB.gather(1, (first_S1 + _count(most, first_S1)).clamp(max=num_blocks - 1))
    keys_SL = first_S1 * block_size + _count(most * block_size, first_S1)
    mask_SL = (keys_SL <= positions_S1) & (keys_SL > positions_S1 - window)
    return _View(blocks_SW.flatten(), mask_SL[:, None, None])


def _count(number: int, like: Tensor) -> Tensor:
    return torch.arange(number, device=like.device)

"""Attention: who looks at which keys. Positions are already rotated in; the decoder knows only the protocol.

`DenseAttention` is the plain one (training, reference); `PagedAttention` keeps keys and values in blocks that
sequences own in any order, as in PagedAttention (Kwon et al. 2023, section 4), in plain PyTorch.

Shapes: T tokens of a step (all sequences, flattened), B sequences, S sequences of one kind, L context length,
H query heads, K key/value heads, G = H / K query heads that share one, D head dimension.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.functional import scaled_dot_product_attention

from owngpt.model.config import ModelConfig


class Attention(Protocol):
    """What a decoder layer calls with the T new tokens."""

    def __call__(
        self, layer: int, q_THD: Tensor, k_TKD: Tensor, v_TKD: Tensor, sinks_H: Tensor | None = None
    ) -> Tensor:
        """-> o_THD. Scale and window are those of `config.layers[layer]`; sinks are given if `config.has_sinks`."""
        ...


class DenseAttention:
    """`batch` causal sequences of equal length, nothing cached; T = batch * length. Differentiable."""

    def __init__(self, config: ModelConfig, batch: int) -> None:
        self.config = config
        self.batch = batch
        self._masks: dict[int, Tensor] = {}

    def __call__(
        self, layer: int, q_THD: Tensor, k_TKD: Tensor, v_TKD: Tensor, sinks_H: Tensor | None = None
    ) -> Tensor:
        length = q_THD.shape[0] // self.batch
        q, k, v = (x.view(self.batch, length, *x.shape[1:]).transpose(1, 2) for x in (q_THD, k_TKD, v_TKD))
        mask = self._mask(self.config.layers[layer].window, length, q_THD.device)
        return _attend(self.config, q, k, v, mask, _by_head(sinks_H)).transpose(1, 2).flatten(0, 1)

    def _mask(self, window: int | None, length: int, device: torch.device) -> Tensor | None:
        if window is None or window >= length:
            return None
        if window not in self._masks:
            self._masks[window] = _visible(0, length, 0, length, window, device)
        return self._masks[window]


class KVCache:
    """Keys and values of every layer: `key[layer]` and `value[layer]` are [num_slots, K, D].

    Block b is slots b * block_size up to (b + 1) * block_size. Who owns which block is the engine's business.
    """

    def __init__(
        self,
        config: ModelConfig,
        num_blocks: int,
        block_size: int,
        dtype: torch.dtype,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (num_blocks * block_size, config.num_kv_heads, config.head_dim)
        self.num_blocks = num_blocks
        self.block_size = block_size
        self.key = [_zeros(shape, dtype, device) for _ in config.layers]
        self.value = [_zeros(shape, dtype, device) for _ in config.layers]

    @staticmethod
    def bytes_per_token(config: ModelConfig, dtype: torch.dtype) -> int:
        """What one token costs over all layers."""
        return 2 * config.num_layers * config.num_kv_heads * config.head_dim * dtype.itemsize

    def write(self, layer: int, slots_T: Tensor, k_TKD: Tensor, v_TKD: Tensor) -> None:
        self.key[layer].index_copy_(0, slots_T, k_TKD)
        self.value[layer].index_copy_(0, slots_T, v_TKD)

    def read(self, layer: int, blocks_N: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and the values of these blocks, one after the other: twice [N * block_size, K, D]."""
        key, value = self.key[layer], self.value[layer]
        by_block = (self.num_blocks, self.block_size, *key.shape[1:])
        return (
            key.view(by_block).index_select(0, blocks_N).flatten(0, 1),
            value.view(by_block).index_select(0, blocks_N).flatten(0, 1),
        )


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """Zeros that cost memory only once they are written: `torch.zeros` would touch gigabytes at the start."""
    if torch.device(device).type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    return torch.frombuffer(mmap.mmap(-1, math.prod(shape) * dtype.itemsize), dtype=dtype).view(shape)


@dataclass(frozen=True, slots=True)
class PagedBatch:
    """What S sequences bring to one step: S chunks of new tokens, laid end to end."""

    slots_T: Tensor  # int64: where the key and value of each new token go
    query_starts: list[int]  # S + 1 offsets into T: sequence s brings tokens [starts[s], starts[s + 1])
    context_lens: list[int]  # S: tokens cached before plus new ones
    block_tables: list[Tensor]  # S of int64: block ids, in the order of the tokens; may be longer than needed


class PagedAttention:
    """Writes the new keys and values to their slots, then each new token looks at its sequence's blocks.

    A chunk of several tokens is attended alone. Sequences that bring a single token are attended together, with
    others of about their length, so that little is padded. All that does not depend on the layer is prepared once.
    """

    def __init__(self, config: ModelConfig, cache: KVCache, batch: PagedBatch) -> None:
        self.config = config
        self.cache = cache
        self.slots_T = batch.slots_T
        self._plans = {window: _plan(batch, cache.block_size, window) for window in windows(config)}

    def __call__(
        self, layer: int, q_THD: Tensor, k_TKD: Tensor, v_TKD: Tensor, sinks_H: Tensor | None = None
    ) -> Tensor:
        self.cache.write(layer, self.slots_T, k_TKD, v_TKD)
        o_THD = torch.empty_like(q_THD)
        plan = self._plans[self.config.layers[layer].window]
        for chunk in plan.chunks:
            o_THD[chunk.start : chunk.end] = self._attend_chunk(layer, chunk, q_THD, k_TKD, v_TKD, sinks_H)
        for group in plan.groups:
            o_THD.index_copy_(0, group.rows_S, self._attend_group(layer, group, q_THD, sinks_H))
        return o_THD

    def _attend_chunk(
        self, layer: int, chunk: _Chunk, q_THD: Tensor, k_TKD: Tensor, v_TKD: Tensor, sinks_H: Tensor | None
    ) -> Tensor:
        new = slice(chunk.start, chunk.end)
        if chunk.blocks is None:
            key_LKD, value_LKD = k_TKD[new], v_TKD[new]
        else:
            key_LKD, value_LKD = (x[: chunk.num_keys] for x in self.cache.read(layer, chunk.blocks))
        q_1HTD, key_1KLD, value_1KLD = (x.transpose(0, 1)[None] for x in (q_THD[new], key_LKD, value_LKD))
        return _attend(self.config, q_1HTD, key_1KLD, value_1KLD, chunk.mask, _by_head(sinks_H))[0].transpose(0, 1)

    def _attend_group(self, layer: int, group: _Group, q_THD: Tensor, sinks_H: Tensor | None) -> Tensor:
        q_SHD = q_THD.index_select(0, group.rows_S)
        return attend_singles(self.config, self.cache, layer, q_SHD, group.blocks, group.mask, sinks_H)


def attend_singles(
    config: ModelConfig,
    cache: KVCache,
    layer: int,
    q_SHD: Tensor,
    blocks: Tensor,
    mask: Tensor,
    sinks_H: Tensor | None,
) -> Tensor:
    """One query of each of S sequences -> o_SHD. `blocks` int64 [S * blocks each]; `mask` bool [S, 1, 1, keys].

    The G heads that share a key take the place of G positions, so no key is repeated.
    """
    by_sequence = (len(q_SHD), -1, config.num_kv_heads, config.head_dim)
    key_SKLD, value_SKLD = (x.view(by_sequence).transpose(1, 2) for x in cache.read(layer, blocks))
    q_SKGD = q_SHD.view(len(q_SHD), config.num_kv_heads, -1, config.head_dim)
    sinks_KG1 = None if sinks_H is None else sinks_H.view(config.num_kv_heads, -1, 1)
    return _attend(config, q_SKGD, key_SKLD, value_SKLD, mask, sinks_KG1).flatten(1, 2)


def _attend(config: ModelConfig, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, sinks: Tensor | None) -> Tensor:
    """Queries [S, H, T, D] (or [S, K, G, D]: those that share a key) over keys and values [S, K, L, D].

    No mask is plain causal. `sinks` [H, 1, 1] (or [K, G, 1]): the score that one more key, whose value is zero, has
    with every query. A query carries it in one more dimension, in which that key is 1 and the others are 0: so any
    kernel will do, and gradients reach the sinks.
    """
    size = q.shape[-1]
    if sinks is not None:
        mask = _visible(0, q.shape[2], 0, k.shape[2], None, q.device) if mask is None else mask
        mask = F.pad(mask, (0, 1), value=True)
        q = torch.cat((q, (sinks / config.attention_scale).to(q.dtype).expand(*q.shape[:-1], 1)), -1)
        k, v = F.pad(k, (0, 1, 0, 1)), F.pad(v, (0, 1, 0, 1))
        k[..., -1, -1] = 1
    o = scaled_dot_product_attention(
        q,
        k,
        v,
        attn_mask=mask,
        is_causal=mask is None,
        scale=config.attention_scale,
        enable_gqa=q.shape[1] != k.shape[1],
    )
    return o[..., :size]


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Several new tokens of one sequence."""

    start: int  # rows [start, end) of the step
    end: int
    num_keys: int
    blocks: Tensor | None  # None: all keys are among the new ones
    mask: Tensor | None  # bool [new tokens, keys]; None: plain causal


@dataclass(frozen=True, slots=True)
class _Group:
    """S sequences that bring one token each, padded to the same number of blocks."""

    rows_S: Tensor
    blocks: Tensor  # int64 [S * blocks each]
    mask: Tensor  # bool [S, 1, 1, keys]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A step, for the layers of one window."""

    chunks: list[_Chunk]
    groups: list[_Group]


@dataclass(frozen=True, slots=True)
class _Span:
    """The part of a sequence that its new tokens can see."""

    row: int  # first new token in the step
    num_new: int
    context_len: int
    first_key: int  # position; the start of a block
    blocks: Tensor  # those that hold first_key up to context_len


def _by_head(sinks_H: Tensor | None) -> Tensor | None:
    return None if sinks_H is None else sinks_H[:, None, None]


def windows(config: ModelConfig) -> set[int | None]:
    """Those of all layers; what is made for one serves all its layers."""
    return {layer.window for layer in config.layers}


def _plan(batch: PagedBatch, block_size: int, window: int | None) -> _Plan:
    spans = [
        _span(row, end - row, context_len, table, block_size, window)
        for (row, end), context_len, table in zip(
            pairwise(batch.query_starts), batch.context_lens, batch.block_tables, strict=True
        )
    ]
    singles: dict[int, list[_Span]] = {}
    for span in spans:
        if span.num_new == 1:
            singles.setdefault(max(3, len(span.blocks).bit_length()), []).append(span)
    return _Plan(
        chunks=[_chunk(span, window) for span in spans if span.num_new > 1],
        groups=[_group(members, block_size, window) for members in singles.values()],
    )


def _span(row: int, num_new: int, context_len: int, table: Tensor, block_size: int, window: int | None) -> _Span:
    first_key = 0 if window is None else max(0, context_len - num_new - window + 1)
    first_block = first_key // block_size
    last_block = -(-context_len // block_size)
    return _Span(row, num_new, context_len, first_block * block_size, table[first_block:last_block])


def _chunk(span: _Span, window: int | None) -> _Chunk:
    first_query = span.context_len - span.num_new
    is_plain = first_query == 0 and (window is None or window >= span.num_new)
    num_keys = span.context_len - span.first_key
    return _Chunk(
        start=span.row,
        end=span.row + span.num_new,
        num_keys=num_keys,
        blocks=None if first_query == 0 else span.blocks,
        mask=None
        if is_plain
        else _visible(first_query, span.num_new, span.first_key, num_keys, window, span.blocks.device),
    )


def _group(spans: list[_Span], block_size: int, window: int | None) -> _Group:
    device = spans[0].blocks.device
    blocks = torch.nn.utils.rnn.pad_sequence([span.blocks for span in spans], batch_first=True, padding_value=-1)
    blocks = torch.where(blocks < 0, blocks[:, :1], blocks)  # a sequence's own: another's NaN would pass any mask
    keys_L = torch.arange(blocks.shape[1] * block_size, device=device)
    lengths_S1 = _column((span.context_len - span.first_key for span in spans), device)
    mask_SL = keys_L < lengths_S1
    if window is not None:
        mask_SL &= keys_L >= lengths_S1 - window
    return _Group(
        rows_S=torch.tensor([span.row for span in spans], device=device),
        blocks=blocks.flatten(),
        mask=mask_SL[:, None, None],
    )


def _column(values: Iterable[int], device: torch.device) -> Tensor:
    return torch.tensor(list(values), device=device)[:, None]


def _visible(
    first_query: int, num_queries: int, first_key: int, num_keys: int, window: int | None, device: torch.device
) -> Tensor:
    """bool [queries, keys]: a query sees keys up to its own position, and no further back than the window."""
    queries = torch.arange(first_query, first_query + num_queries, device=device)[:, None]
    keys = torch.arange(first_key, first_key + num_keys, device=device)
    mask = keys <= queries
    return mask if window is None else mask & (keys > queries - window)

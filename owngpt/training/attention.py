"""Attention as training needs it: whole rows, nothing cached, and no look across the end of a document.

On the CPU the scores of a block of queries are one batched product and stay for the backward pass, which is three to
four times as fast there as PyTorch's fused kernel; elsewhere that kernel is used. Blocks see only keys from the first
document that one of their queries belongs to.

Shapes: B rows, L tokens of a row, T = B * L, H heads (those that share keys get copies), D head dimension, Q queries of
a block, K keys that a block sees.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import scaled_dot_product_attention

from owngpt.model.config import ModelConfig

QUERIES_AT_A_TIME = 128
KEYS_ROUNDED_TO = 64


class _Block(NamedTuple):
    """Queries [start, end) of every row see keys [first, end); `mask_B1QK` is added to their scores."""

    first: int
    start: int
    end: int
    mask_B1QK: Tensor


class RowAttention:
    """`num_rows` causal sequences of equal length, laid end to end; implements `owngpt.model.attention.Attention`.

    `starts_T`: for each token, where in its row its document starts.
    """

    def __init__(self, config: ModelConfig, num_rows: int, starts_T: Tensor) -> None:
        self.scale = config.attention_scale
        self.num_sharing = config.num_heads // config.num_kv_heads  # heads that share a key
        self.num_rows = num_rows
        self.starts_BL = starts_T.view(num_rows, -1)
        self.is_fused = starts_T.device.type != "cpu"
        length = self.starts_BL.shape[1]
        size = length if self.is_fused else QUERIES_AT_A_TIME
        self.spans = [(start, min(start + size, length)) for start in range(0, length, size)]
        self._blocks: list[_Block] = []

    def __call__(
        self, layer: int, q_THD: Tensor, k_TKD: Tensor, v_TKD: Tensor, sinks_H: Tensor | None = None
    ) -> Tensor:
        assert sinks_H is None, "trained models have no sinks"
        if self.num_sharing > 1:
            k_TKD, v_TKD = (x.repeat_interleave(self.num_sharing, 1) for x in (k_TKD, v_TKD))
        q, k, v = (x.view(self.num_rows, -1, *x.shape[1:]).transpose(1, 2) for x in (q_THD, k_TKD, v_TKD))
        blocks = self._blocks_in(q.dtype)
        if self.is_fused:
            mask = blocks[0].mask_B1QK
            o = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=self.scale)
        else:
            o = _BlockAttention.apply(q * self.scale, k.contiguous(), v.contiguous(), blocks)  # type: ignore[no-untyped-call]
        return o.transpose(1, 2).flatten(0, 1)

    def _blocks_in(self, dtype: torch.dtype) -> list[_Block]:
        """Made once for all layers."""
        if not self._blocks:
            self._blocks = [_block(self.starts_BL, start, end, dtype) for start, end in self.spans]
        return self._blocks


def document_starts(tokens_T: Tensor, num_rows: int, end_of_text: int) -> Tensor:
    """starts_T for rows of `tokens_T`: a document starts a row, and after every `end_of_text`."""
    tokens_BL = tokens_T.view(num_rows, -1)
    places_L = torch.arange(tokens_BL.shape[1], device=tokens_T.device)
    is_first_BL = (tokens_BL == end_of_text).roll(1, -1)
    is_first_BL[:, 0] = False
    return torch.where(is_first_BL, places_L, 0).cummax(-1).values.flatten()


def _block(starts_BL: Tensor, start: int, end: int, dtype: torch.dtype) -> _Block:
    starts_BQ = starts_BL[:, start:end]
    first = int(starts_BQ.min()) // KEYS_ROUNDED_TO * KEYS_ROUNDED_TO
    keys_K = torch.arange(first, end, device=starts_BL.device)
    queries_Q1 = torch.arange(start, end, device=starts_BL.device)[:, None]
    is_hidden_BQK = (keys_K > queries_Q1) | (keys_K < starts_BQ[..., None])
    mask_BQK = torch.zeros(is_hidden_BQK.shape, dtype=dtype, device=starts_BL.device)
    return _Block(first, start, end, mask_BQK.masked_fill_(is_hidden_BQK, -torch.inf)[:, None])


class _BlockAttention(torch.autograd.Function):
    """softmax(q k + mask) v by blocks of queries. Tensors are [B, H, L, D]; the scale is in q."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, blocks: list[_Block]) -> Tensor:
        o = torch.empty_like(q)
        shares = []
        for first, start, end, mask in blocks:
            scores = q[:, :, start:end] @ k[:, :, first:end].transpose(-1, -2)
            shares.append(torch.softmax(scores.add_(mask), -1))
            o[:, :, start:end] = shares[-1] @ v[:, :, first:end]
        ctx.save_for_backward(q, k, v, o, *shares)
        ctx.blocks = blocks
        return o

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_o: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, o, *shares = ctx.saved_tensors
        grad_q, grad_k, grad_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        inner = (grad_o * o).sum(-1, keepdim=True)
        for (first, start, end, _), share in zip(ctx.blocks, shares, strict=True):
            grad = grad_o[:, :, start:end]
            grad_v[:, :, first:end] += share.transpose(-1, -2) @ grad
            grad_scores = (grad @ v[:, :, first:end].transpose(-1, -2)).sub_(inner[:, :, start:end]).mul_(share)
            grad_q[:, :, start:end] = grad_scores @ k[:, :, first:end]
            grad_k[:, :, first:end] += grad_scores.transpose(-1, -2) @ q[:, :, start:end]
        return grad_q, grad_k, grad_v, None

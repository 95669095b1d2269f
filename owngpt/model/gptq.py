"""GPTQ's packing of 4-bit codes (Frantar et al. 2023; the layout is AutoGPTQ's).

Shapes: N outputs, K inputs, G groups. `qweight` int32 [K/8, N]: eight inputs in a word, the first in the low bits.
`qzeros` int32 [G, N/8]: likewise, of outputs. `scales` [G, N]. `g_idx` int32 [K]: the group of each input, where
inputs were quantized in another order than they have.
"""

from __future__ import annotations

import torch
from torch import Tensor

from owngpt.model.weight_source import Codes

MIDDLE = 8  # codes count from here; zeros that are elsewhere become minima


def unpack(qweight: Tensor, qzeros: Tensor, scales: Tensor, g_idx: Tensor | None, *, plus_one: bool) -> Codes | Tensor:
    """w_NK as codes; as numbers where groups are scattered over the inputs, which no kernel reads."""
    codes_NK = nibbles(qweight.T.contiguous())
    zeros_NG = nibbles(qzeros).T
    if plus_one:
        zeros_NG = (zeros_NG + 1) & 15
    scale_NG = scales.T.float()
    group = codes_NK.shape[1] // scale_NG.shape[1]
    if g_idx is None or torch.equal(g_idx.long(), torch.arange(len(g_idx)) // group):
        return codes_with_zeros(codes_NK, scale_NG, zeros_NG)
    groups_K = g_idx.long()
    return (codes_NK.float() - zeros_NG.float()[:, groups_K]) * scale_NG[:, groups_K]


def nibbles(words: Tensor) -> Tensor:
    """The eight halves of bytes of each int32, the lowest first: [R, C] -> uint8 [R, 8 * C]."""
    bytes_ = words.contiguous().view(torch.uint8)
    return torch.stack((bytes_ & 15, bytes_ >> 4), -1).flatten(1)


def codes_with_zeros(codes_NK: Tensor, scale_NG: Tensor, zeros_NG: Tensor) -> Codes:
    """w = scale * (code - zero), as `Codes` with one zero for all."""
    offsets_NG = zeros_NG.float() - MIDDLE
    minimum_NG = scale_NG * offsets_NG if offsets_NG.any() else None
    return Codes(codes_NK, scale_NG, minimum_NG, zero=MIDDLE)

"""MXFP4 (OCP Microscaling Formats 1.0, section 5.3): 32 values share one power of two; each has 4 bits, E2M1.

As gpt-oss stores it: `blocks`, uint8 [..., G, 16]: byte j of a block holds values 2j (low half) and 2j + 1. `scales`,
uint8 [..., G]: the exponent plus 127. A code is a sign, two bits of exponent and one of mantissa.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from owngpt.model.weight_source import Codes

GROUP = 32
_SLICE = 256  # rows that are converted at a time, so that what is made on the way stays small
E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)
_ZERO = 12
_LUT = tuple(round(2 * value) + _ZERO for value in E2M1)  # whole numbers, none below 0


def dequantize(blocks: Tensor, scales: Tensor, dtype: torch.dtype) -> Tensor:
    """blocks [..., G, 16] and scales [..., G] -> values [..., G * 32], exact in bfloat16 and float32."""
    pairs = _pairs(dtype, blocks.device)
    values = torch.empty(*scales.shape, GROUP, dtype=dtype, device=blocks.device)
    for part, block, scale in zip(*(torch.split(x, _SLICE) for x in (values, blocks, scales)), strict=True):
        words = pairs.index_select(0, block.flatten().int())
        torch.mul(words.view(dtype).view_as(part), _powers(scale).to(dtype)[..., None], out=part)
    return values.flatten(-2)


def codes(blocks: Tensor, scales: Tensor) -> Codes:
    """The same values, blocks [N, G, 16] and scales [N, G], as codes that kernels know. Nothing is rounded."""
    return codes_of(torch.stack((blocks & 15, blocks >> 4), -1).flatten(1), scales)


def codes_of(codes_NK: Tensor, scales: Tensor) -> Codes:
    """The same, of codes that are laid out already."""
    return Codes(codes_NK, _powers(scales) / 2, zero=_ZERO, lut=_LUT)


def init_(parameter: Tensor, std: float, generator: torch.Generator) -> None:
    """Blocks (4 dimensions) become random codes; scales what gives those about this standard deviation."""
    if parameter.dim() == 4:
        parameter.random_(generator=generator)
    else:
        spread = math.sqrt(sum(value**2 for value in E2M1) / len(E2M1))
        parameter.fill_(127 + round(math.log2(std / spread)))


def _powers(scales: Tensor) -> Tensor:
    """2 to the exponents, float32."""
    return torch.ldexp(torch.ones_like(scales, dtype=torch.float32), scales.int() - 127)


@lru_cache(maxsize=8)
def _pairs(dtype: torch.dtype, device: torch.device) -> Tensor:
    """The two values of every byte as one word: looking up words is much faster than looking up pairs. [256]"""
    word = torch.int64 if dtype == torch.float32 else torch.int32
    with torch.inference_mode(False):  # a cached tensor must also serve outside of it
        pairs = torch.tensor([(E2M1[byte & 15], E2M1[byte >> 4]) for byte in range(256)], dtype=dtype, device=device)
        return pairs.view(word).flatten()

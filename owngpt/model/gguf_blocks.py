"""The block formats of ggml, as tensors: which bytes make which numbers (ggml-quants.c, `dequantize_row_*`).

Every format cuts a row of K values into blocks. Shapes: N rows, B blocks of a row, G groups of 32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, unflatten

from owngpt.model import mxfp4
from owngpt.model.weight_source import Codes


class BlockFormat(NamedTuple):
    """One of ggml's formats."""

    name: str
    num_values: int  # of a block
    num_bytes: int
    numbers: Callable[[Tensor], Tensor]  # uint8 [N, B, num_bytes] -> float32 [N, K]
    codes: Callable[[Tensor], Codes] | None = None  # the same, for what is 4-bit codes


def _floats(dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    return lambda blocks: blocks.view(dtype).flatten(1).float()


def _nibbles(bytes_: Tensor) -> Tensor:
    """The low halves of some bytes, then the high ones: [..., b] -> [..., 2b]."""
    return torch.cat((bytes_ & 15, bytes_ >> 4), -1)


def _half(blocks: Tensor, start: int) -> Tensor:
    """The float16 at byte `start` of each block: float32 [N, B, 1]."""
    return blocks[..., start : start + 2].contiguous().view(torch.float16).float()


def _q4_0(blocks: Tensor) -> Codes:
    return Codes(_nibbles(blocks[..., 2:]).flatten(1), _half(blocks, 0).flatten(1), zero=8)


def _q8_0(blocks: Tensor) -> Tensor:
    return (_half(blocks, 0) * blocks[..., 2:].view(torch.int8).float()).flatten(1)


def _q4_k(blocks: Tensor) -> Codes:
    scales, minima = _scales_and_minima(blocks)
    codes = _nibbles(unflatten(blocks[..., 16:], -1, (4, 32)))  # 64 values of every 32 bytes
    return Codes(codes.flatten(1), scales.flatten(1), minima.flatten(1))


def _q5_k(blocks: Tensor) -> Tensor:
    scales, minima = _scales_and_minima(blocks)
    low = unflatten(_nibbles(unflatten(blocks[..., 48:], -1, (4, 32))).flatten(-2), -1, (8, 32))
    high = blocks[..., None, 16:48] >> torch.arange(8, dtype=torch.uint8)[:, None] & 1
    return (scales[..., None] * (low + 16 * high).float() - minima[..., None]).flatten(1)


def _scales_and_minima(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Of the 8 groups of a K block: float32 [N, B, 8] twice; 6 bits each, in 12 bytes, times two float16."""
    first, second, third = (blocks[..., start : start + 4] for start in (4, 8, 12))
    scales = torch.cat((first & 63, third & 15 | first >> 6 << 4), -1)
    minima = torch.cat((second & 63, third >> 4 | second >> 6 << 4), -1)
    return _half(blocks, 0) * scales.float(), _half(blocks, 2) * minima.float()


def _q6_k(blocks: Tensor) -> Tensor:
    low = _nibbles(unflatten(blocks[..., :128], -1, (2, 64)))  # [N, B, 2, 128]
    twos = torch.arange(0, 8, 2, dtype=torch.uint8)[:, None]
    high = (unflatten(blocks[..., 128:192], -1, (2, 1, 32)) >> twos & 3).flatten(-2)
    values = (low | high << 4).to(torch.int8) - 32
    scales = _half(blocks, 208) * blocks[..., 192:208].view(torch.int8).float()  # one for 16 values
    return (scales[..., None] * unflatten(values.flatten(-2), -1, (16, 16)).float()).flatten(1)


def _mxfp4(blocks: Tensor) -> Codes:
    return mxfp4.codes_of(_nibbles(blocks[..., 1:]).flatten(1), blocks[..., 0])


def _numbers_of(codes: Callable[[Tensor], Codes]) -> Callable[[Tensor], Tensor]:
    return lambda blocks: codes(blocks).dequantize()


FORMATS: Mapping[int, BlockFormat] = {
    0: BlockFormat("F32", 1, 4, _floats(torch.float32)),
    1: BlockFormat("F16", 1, 2, _floats(torch.float16)),
    2: BlockFormat("Q4_0", 32, 18, _numbers_of(_q4_0), _q4_0),
    8: BlockFormat("Q8_0", 32, 34, _q8_0),
    12: BlockFormat("Q4_K", 256, 144, _numbers_of(_q4_k), _q4_k),
    13: BlockFormat("Q5_K", 256, 176, _q5_k),
    14: BlockFormat("Q6_K", 256, 210, _q6_k),
    30: BlockFormat("BF16", 1, 2, _floats(torch.bfloat16)),
    39: BlockFormat("MXFP4", 32, 17, _numbers_of(_mxfp4), _mxfp4),
}
UNSUPPORTED: Mapping[int, str] = {
    3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS",
    18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32",
    27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0",
}  # fmt: skip

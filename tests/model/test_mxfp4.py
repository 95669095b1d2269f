"""MXFP4 blocks mean what the standard and transformers say."""

from __future__ import annotations

import pytest
import torch

from owngpt.model import mxfp4


def test_a_block_by_hand() -> None:
    blocks = torch.zeros(1, 16, dtype=torch.uint8)
    blocks[0, 0], blocks[0, 1], blocks[0, 15] = 0x21, 0xF7, 0x90  # the low half comes first
    values = mxfp4.dequantize(blocks, torch.tensor([128], dtype=torch.uint8), torch.float32)
    assert values[[0, 1, 2, 3, 30, 31]].tolist() == [1.0, 2.0, 12.0, -12.0, 0.0, -1.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equal_to_transformers(dtype: torch.dtype) -> None:
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(256, (3, 8, 2, 16), dtype=torch.uint8, generator=generator)
    scales = torch.randint(64, 200, (3, 8, 2), dtype=torch.uint8, generator=generator)
    expected = convert_moe_packed_tensors(blocks, scales, dtype=dtype).transpose(1, 2)
    assert torch.equal(mxfp4.dequantize(blocks, scales, dtype), expected)


@pytest.mark.parametrize("std", [0.02, 0.2])
def test_random_blocks_have_about_the_spread_asked_for(std: float) -> None:
    generator = torch.Generator().manual_seed(0)
    blocks, scales = torch.empty(2, 64, 4, 16, dtype=torch.uint8), torch.empty(2, 64, 4, dtype=torch.uint8)
    mxfp4.init_(blocks, std, generator)
    mxfp4.init_(scales, std, generator)
    assert 0.6 * std < mxfp4.dequantize(blocks, scales, torch.float32).std() < 1.6 * std

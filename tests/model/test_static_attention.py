"""Attention in fixed shapes equals the definition, and does not see what is not the sequence's own."""

from __future__ import annotations

import pytest
import torch

from owngpt.model.attention import KVCache
from owngpt.model.static_attention import StaticAttention
from tests.fakes.model import tiny_config
from tests.model.test_attention import WINDOWED, plain_attention, random_qkv

BLOCK_SIZE = 4


@pytest.mark.parametrize("width", [6, 16])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("num_kv_heads", [1, 2, 4])
@pytest.mark.parametrize("sinks", [None, (2.5, -9.0, 0.0, 40.0)])
def test_it_equals_the_definition(
    sinks: tuple[float, ...] | None, num_kv_heads: int, layer: int, dtype: torch.dtype, tolerance: float, width: int
) -> None:
    """The last token of sequences that end inside, at, and just after a block; tables wider than needed."""
    config = tiny_config(num_key_value_heads=num_kv_heads, **WINDOWED)
    lengths = (8, 9, 23, 1, 16, 5)
    inputs = [random_qkv(config, length, dtype) for length in lengths]
    sinks_H = None if sinks is None else torch.tensor(sinks, dtype=dtype)
    cache = KVCache(config, 40, BLOCK_SIZE, dtype)
    for tensor in (*cache.key, *cache.value):
        tensor.fill_(1e4)  # what is not the sequence's own must not be seen
    own_S = torch.split(torch.randperm(40, generator=torch.Generator().manual_seed(0)), 6)
    tables_SB = torch.stack([torch.cat((own, own[:1].expand(width - 6))) for own in own_S[: len(lengths)]])
    for table, (_, k, v) in zip(tables_SB, inputs, strict=True):
        at = torch.arange(len(k) - 1)
        cache.write(layer, table[at // BLOCK_SIZE] * BLOCK_SIZE + at % BLOCK_SIZE, k[:-1], v[:-1])
    q, k, v = (torch.stack([of_one[part][-1] for of_one in inputs]) for part in range(3))
    attention = StaticAttention(config, cache, torch.tensor(lengths) - 1, tables_SB)
    for row, of_one in zip(attention(layer, q, k, v, sinks_H), inputs, strict=True):
        assert (row - plain_attention(config, layer, *of_one, sinks_H)[-1]).abs().max() < tolerance


@pytest.mark.parametrize("layer", [0, 1])
def test_no_sequence_reads_the_blocks_of_another(layer: int) -> None:
    """Block 0 is a third one's, and a mask does not stop a NaN."""
    config = tiny_config(**WINDOWED)
    cache = KVCache(config, 8, BLOCK_SIZE, torch.float32)
    cache.value[layer][:BLOCK_SIZE] = cache.key[layer][:BLOCK_SIZE] = torch.nan
    attention = StaticAttention(config, cache, torch.tensor([1, 8]), torch.tensor([[1, 1, 1, 1], [3, 4, 5, 3]]))
    assert attention(layer, *random_qkv(config, 2, torch.float32)).isfinite().all()

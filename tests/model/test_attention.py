"""Paged attention equals dense attention, in every dtype, and training goes through the dense one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from owngpt.model.attention import DenseAttention, KVCache, PagedAttention, PagedBatch
from owngpt.model.config import ModelConfig
from owngpt.model.transformer import Transformer
from tests.fakes.model import tiny_config, tiny_model

WINDOWED = {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}


def random_qkv(config: ModelConfig, length: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(length)

    def random(heads: int) -> Tensor:
        return torch.randn(length, heads, config.head_dim, generator=generator).to(dtype)

    return random(config.num_heads), random(config.num_kv_heads), random(config.num_kv_heads)


def plain_attention(
    config: ModelConfig, layer: int, q: Tensor, k: Tensor, v: Tensor, sinks_H: Tensor | None = None
) -> Tensor:
    """The definition, in float64, one head at a time."""
    q, k, v = q.double(), k.double(), v.double()
    group, length = config.num_heads // config.num_kv_heads, len(q)
    distance = torch.arange(length)[:, None] - torch.arange(length)
    seen = (distance >= 0) & (distance < (config.layers[layer].window or length))
    heads = []
    for head in range(config.num_heads):
        scores = q[:, head] @ k[:, head // group].T * config.attention_scale
        scores = scores.masked_fill(~seen, -torch.inf)
        if sinks_H is not None:
            scores = torch.cat((scores, sinks_H[head].double().expand(length, 1)), -1)
        heads.append(scores.softmax(-1)[:, :length] @ v[:, head // group])
    return torch.stack(heads, 1)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("num_kv_heads", [1, 2, 4])
@pytest.mark.parametrize("sinks", [None, (2.5, -9.0, 0.0, 40.0)])
def test_all_ways_equal_the_definition(
    sinks: tuple[float, ...] | None, num_kv_heads: int, layer: int, dtype: torch.dtype, tolerance: float
) -> None:
    """Lengths that end inside, at, and just after a block; chunks that begin anywhere; single tokens together."""
    config = tiny_config(num_key_value_heads=num_kv_heads, **WINDOWED)
    lengths, block_size = (8, 9, 23, 1, 16), 4
    inputs = [random_qkv(config, length, dtype) for length in lengths]
    sinks_H = None if sinks is None else torch.tensor(sinks, dtype=dtype)
    cache = KVCache(config, 40, block_size, dtype)
    blocks = torch.randperm(40, generator=torch.Generator().manual_seed(0)).split(8)  # longer than needed
    got: list[list[Tensor]] = [[] for _ in lengths]
    done = [0] * len(lengths)
    for counts in ((3, 4, 16, 0, 16), (4, 4, 1, 1, 0), (1, 1, 6, 0, 0)):
        members = [s for s, count in enumerate(counts) if count]
        rows = {s: torch.arange(done[s], done[s] + counts[s]) for s in members}
        slots = [blocks[s][own // block_size] * block_size + own % block_size for s, own in rows.items()]
        done = [before + count for before, count in zip(done, counts, strict=True)]
        starts = [0, *torch.tensor([counts[s] for s in members]).cumsum(0).tolist()]
        batch = PagedBatch(torch.cat(slots), starts, [done[s] for s in members], [blocks[s] for s in members])
        q, k, v = (torch.cat([inputs[s][part][own] for s, own in rows.items()]) for part in range(3))
        output = PagedAttention(config, cache, batch)(layer, q, k, v, sinks_H)
        for s, part in zip(members, output.split([counts[s] for s in members]), strict=True):
            got[s].append(part)
    for (q, k, v), parts in zip(inputs, got, strict=True):
        expected = plain_attention(config, layer, q, k, v, sinks_H)
        assert (torch.cat(parts) - expected).abs().max() < tolerance
        assert (DenseAttention(config, 1)(layer, q, k, v, sinks_H) - expected).abs().max() < tolerance


def test_no_sequence_reads_the_blocks_of_another() -> None:
    """Two that decode together differ in length; block 0 is a third one's, and a mask does not stop a NaN."""
    config, block_size = tiny_config(), 4
    cache = KVCache(config, 8, block_size, torch.float32)
    cache.value[0][:block_size] = cache.key[0][:block_size] = torch.nan
    batch = PagedBatch(torch.tensor([5, 20]), [0, 1, 2], [2, 9], [torch.tensor([1]), torch.tensor([3, 4, 5])])
    assert PagedAttention(config, cache, batch)(0, *random_qkv(config, 2, torch.float32)).isfinite().all()


def test_dense_batches_are_separate_sequences() -> None:
    model = tiny_model(**WINDOWED)
    ids = torch.arange(24) * 7 % 300
    positions = torch.arange(12)
    together = model(ids, positions.repeat(2), DenseAttention(model.config, batch=2))
    for part, own in zip(together.split(12), ids.split(12), strict=True):
        assert torch.allclose(part, model(own, positions, DenseAttention(model.config, batch=1)), atol=1e-5)


def test_a_model_learns() -> None:
    vocab_size = 50
    torch.manual_seed(0)
    model = Transformer(tiny_config(vocab_size, **WINDOWED))
    model.init_weights(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    ids = torch.randint(vocab_size, (4, 17))
    inputs, targets, positions = ids[:, :-1].flatten(), ids[:, 1:].flatten(), torch.arange(16).repeat(4)
    losses = []
    for _ in range(30):
        logits = model.logits(model(inputs, positions, DenseAttention(model.config, batch=4)))
        loss = torch.nn.functional.cross_entropy(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_training_after_inference_in_one_process() -> None:
    """What inference mode has cached (rotation frequencies) must not be poison for autograd."""
    model = tiny_model(rope_theta=777.0)
    ids, positions = torch.arange(4), torch.arange(4)
    with torch.inference_mode():
        model(ids, positions, DenseAttention(model.config, 1))
    model.requires_grad_(True)
    model(ids, positions, DenseAttention(model.config, 1)).sum().backward()


def test_bytes_per_token() -> None:
    config = tiny_config()
    cache = KVCache(config, num_blocks=3, block_size=4, dtype=torch.bfloat16)
    held = sum(tensor.nbytes for tensor in (*cache.key, *cache.value))
    assert held == 12 * KVCache.bytes_per_token(config, torch.bfloat16)

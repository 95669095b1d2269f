from __future__ import annotations

import pytest
import torch
from torch import nn

from owngpt.training.optim import OptimConfig, Optimizer, group_of, orthogonalize


def test_parameters_are_grouped_by_what_they_are() -> None:
    names = {
        "embed_tokens.weight": "embedding",
        "lm_head.weight": "head",
        "norm.weight": "norm",
        "layers.0.self_attn.q_norm.weight": "norm",
        "layers.0.mlp.up_proj.weight": "matrix",
    }
    assert {name: group_of(name) for name in names} == names


@pytest.mark.parametrize("shape", [(32, 32), (16, 48), (48, 16)])
def test_orthogonalized_matrices_have_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalize(matrix))
    assert values.min() > 0.4
    assert values.max() < 1.4


def test_adam_is_adam() -> None:
    """Against torch, over several steps, with gradients too small to be clipped."""
    ours, theirs = nn.Embedding(5, 3), nn.Embedding(5, 3)
    theirs.load_state_dict(ours.state_dict())
    optimizer = Optimizer(ours, OptimConfig(embedding_lr=0.01))
    reference = torch.optim.Adam(theirs.parameters(), lr=0.01, betas=(0.9, 0.95))
    for step in range(5):
        for module in (ours, theirs):
            (module(torch.tensor([step, 1])).sin().sum() * 0.01).backward()
        optimizer.accumulate()
        optimizer.step(1.0, num_backward=1)
        reference.step()
        reference.zero_grad()
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_two_half_batches_move_as_one_whole() -> None:
    whole, halves = nn.Embedding(4, 2), nn.Embedding(4, 2)
    halves.load_state_dict(whole.state_dict())
    one, two = Optimizer(whole, OptimConfig()), Optimizer(halves, OptimConfig())
    whole(torch.tensor([0, 1])).square().mean().backward()
    one.accumulate()
    one.step(1.0, num_backward=1)
    for token in (0, 1):
        halves(torch.tensor([token])).square().mean().backward()
        two.accumulate()
    two.step(1.0, num_backward=2)
    torch.testing.assert_close(whole.weight, halves.weight)


def test_a_large_gradient_is_clipped() -> None:
    module = nn.Embedding(2, 2)
    optimizer = Optimizer(module, OptimConfig(clip=1.0))
    (module(torch.tensor([0])).sum() * 1000).backward()
    optimizer.accumulate()
    assert optimizer.step(1.0, num_backward=1) == pytest.approx(1000 * 2**0.5)
    assert float(optimizer.slots["weight"].first.norm()) == pytest.approx(0.1, rel=1e-3)


def test_small_steps_are_not_lost_to_bfloat16() -> None:
    """A step of 1e-4 on a weight near 1 is below bfloat16's resolution; a hundred of them are not."""
    module = nn.Embedding(1, 1).bfloat16()
    module.weight.data.fill_(1.0)
    optimizer = Optimizer(module, OptimConfig(embedding_lr=1e-4))
    for _ in range(100):
        module(torch.tensor([0])).sum().backward()
        optimizer.accumulate()
        optimizer.step(1.0, num_backward=1)
    assert module.weight.item() == pytest.approx(0.99, abs=0.004)

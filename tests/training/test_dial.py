from __future__ import annotations

import pytest

from owngpt.model.config import ModelConfig
from owngpt.model.transformer import Transformer
from owngpt.training.dial import flops_per_token, num_active, num_parameters, recipe, shape


@pytest.mark.parametrize("depth", [1, 4])
def test_parameters_are_counted_without_making_them(depth: int) -> None:
    values = shape(depth, 1024, 64)
    model = Transformer(ModelConfig.from_dict(values))
    assert num_parameters(values) == sum(parameter.numel() for parameter in model.parameters())
    assert num_active(values) == num_parameters(values) - model.embed_tokens.weight.numel()


def test_more_depth_means_more_of_everything_but_learning_rates() -> None:
    small, large = (recipe(shape(depth, 16384, 2048)) for depth in (4, 16))
    assert large.num_tokens > 20 * small.num_tokens
    assert large.optim.embedding_lr == pytest.approx(small.optim.embedding_lr / 2)
    assert large.optim.matrix_lr == small.optim.matrix_lr


def test_floating_point_operations_of_a_token() -> None:
    """Twice in each of the three products of a matrix; attention: two products over half a row, likewise."""
    values = shape(2, 1024, 64)
    attention = 3 * 2 * 2 * 2 * 128 * (512 / 2)
    assert flops_per_token(values, 512) == 6 * num_active(values) + attention

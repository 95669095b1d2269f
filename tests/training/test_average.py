from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from owngpt.training.average import WeightAverage


def model(value: float) -> nn.Linear:
    linear = nn.Linear(1, 1, bias=False)
    linear.weight.data.fill_(value)
    return linear


def masters(value: float) -> dict[str, Tensor]:
    return {"weight": torch.full((1, 1), value)}


def test_it_spans_a_share_of_the_tokens_seen_whatever_their_number() -> None:
    """Weights that grow with the tokens: the average is the same share behind, early and late."""
    average = WeightAverage(model(0.0), memory=0.1)
    behind = {}
    for seen in range(1, 4001):
        average.update(masters(float(seen)), 1, seen)
        behind[seen] = 1 - average.tensors["weight"].item() / seen
    assert behind[400] == pytest.approx(behind[4000], abs=0.005)
    assert behind[4000] == pytest.approx(0.1 / 1.1, abs=0.005)


def test_larger_steps_count_as_much_as_their_tokens() -> None:
    one, four = (WeightAverage(model(0.0), memory=0.2) for _ in range(2))
    for seen in range(1, 401):
        one.update(masters(float(seen)), 1, seen)
        if seen % 4 == 0:
            four.update(masters(float(seen)), 4, seen)
    assert four.tensors["weight"].item() == pytest.approx(one.tensors["weight"].item(), rel=0.02)


def test_a_model_computes_with_it_for_a_while() -> None:
    linear = model(7.0)
    average = WeightAverage(linear, memory=0.1)
    average.update(masters(3.0), 1, 1)
    with average.in_use():
        assert linear(torch.ones(1)).item() == 3.0
    assert linear(torch.ones(1)).item() == 7.0


def test_it_comes_back_from_a_checkpoint() -> None:
    saved, loaded = WeightAverage(model(2.0), memory=0.1), WeightAverage(model(0.0), memory=0.1)
    loaded.load_state_dict(saved.state_dict())
    assert torch.equal(loaded.tensors["weight"], masters(2.0)["weight"])

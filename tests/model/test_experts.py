"""Routers choose by the rule of their family, and experts are computed once for all of their tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from owngpt.model.config import ModelConfig
from owngpt.model.experts import MixtureOfExperts, Router
from tests.fakes.model import tiny_config

MIXTURE = {"architectures": ["Qwen3MoeForCausalLM"], "num_experts": 4, "num_experts_per_tok": 2}
GPT_OSS = {**MIXTURE, "architectures": ["GptOssForCausalLM"]}


def mixture(**changes: Any) -> ModelConfig:
    return tiny_config(**{**MIXTURE, "hidden_size": 4, "moe_intermediate_size": 32, **changes})


def router(config: ModelConfig) -> Router:
    """The logits are the hidden state itself."""
    made = Router(config)
    made.load_state_dict({"weight": torch.eye(4)} | ({"bias": torch.zeros(4)} if config.has_router_bias else {}))
    return made


def test_weights_of_the_chosen() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0, 2.0]])
    of_all, of_chosen = logits.softmax(-1)[:, [1, 3]], torch.tensor([[3.0, 2.0]]).softmax(-1)
    for config, expected in (
        (mixture(), of_all),
        (mixture(norm_topk_prob=True), of_chosen),
        (mixture(**GPT_OSS), of_chosen),
    ):
        weights, experts = router(config)(logits)
        assert experts.tolist() == [[1, 3]]
        assert torch.allclose(weights, expected)


def test_of_equal_logits_the_lower_expert_is_chosen() -> None:
    logits = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 5.0, 0.0, 0.0], [2.0, 7.0, 7.0, 7.0]])
    for config in (mixture(), mixture(**GPT_OSS)):
        assert router(config)(logits)[1].tolist() == [[0, 1], [1, 0], [1, 2]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_choice_does_not_depend_on_the_batch(dtype: torch.dtype) -> None:
    """Experts that are all but equal, so that the last bit of a float32 sum would decide between them."""
    config = mixture(hidden_size=1024, num_experts=64, num_experts_per_tok=8)
    made = Router(config).to(dtype)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        made.weight.copy_(torch.randn(1, 1024, generator=generator) + 1e-5 * torch.randn(64, 1024, generator=generator))
        x = torch.randn(96, 1024, generator=generator).to(dtype)
        together = made(x)
        for size in (1, 7):
            parts = [made(part) for part in x.split(size)]
            assert torch.equal(torch.cat([weights for weights, _ in parts]), together[0])
            assert torch.equal(torch.cat([experts for _, experts in parts]), together[1])


@pytest.mark.parametrize("changes", [{}, GPT_OSS])
def test_a_mixture_is_the_weighted_sum_of_its_experts(changes: dict[str, Any]) -> None:
    layer = MixtureOfExperts(mixture(**changes))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(generator=generator)
        x = torch.randn(9, 4, generator=generator)
        weights, experts = layer.get_submodule(layer.router_name)(x)
        expected = torch.stack(
            [
                sum(weight * layer.experts(int(e), x[t : t + 1])[0] for weight, e in zip(*chosen, strict=True))
                for t, chosen in enumerate(zip(weights, experts, strict=True))
            ]
        )
        assert torch.allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_gradients_reach_everything() -> None:
    layer = MixtureOfExperts(mixture(norm_topk_prob=True))
    generator = torch.Generator().manual_seed(0)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    layer(torch.randn(64, 4, generator=generator)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in layer.parameters())

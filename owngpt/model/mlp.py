"""The gated MLP of a layer or of one expert, and the projections that everything is made of."""

from __future__ import annotations

from torch import Tensor, nn

from owngpt.model import activations
from owngpt.model.activations import GateFunction
from owngpt.model.config import ModelConfig


class MLP(nn.Module):
    """Gated (SwiGLU, GeGLU: Shazeer 2020), `size` wide."""

    def __init__(self, config: ModelConfig, size: int, *, has_bias: bool) -> None:
        super().__init__()
        self.gate_proj = linear(config.hidden_size, size, has_bias=has_bias)
        self.up_proj = linear(config.hidden_size, size, has_bias=has_bias)
        self.down_proj = linear(size, config.hidden_size, has_bias=has_bias)
        self.gate = gate_function(config)

    def forward(self, x_TE: Tensor) -> Tensor:
        y_TE: Tensor = self.down_proj(self.gate(self.gate_proj(x_TE), self.up_proj(x_TE)))
        return y_TE


def gate_function(config: ModelConfig) -> GateFunction:
    """What becomes of a gate and an up projection, in this order."""
    return activations.gate_function(config.activation, config.swiglu_alpha, config.swiglu_limit)


def linear(size_in: int, size_out: int, *, has_bias: bool) -> nn.Module:
    """Every projection is made here, so that there is one place to change what they are."""
    return nn.Linear(size_in, size_out, bias=has_bias)

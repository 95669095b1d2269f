"""The activations of config.json, by their names there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Activation = Literal["silu", "gelu", "gelu_tanh", "relu", "clamped_swiglu"]
"""All but the last are functions of one value, and a gated MLP computes activation(gate) * up. With clamped_swiglu it
computes g * sigmoid(alpha * g) * (u + 1), where g is the gate, at most `limit`, and u is up within +-`limit`."""

NAMES: Mapping[str, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
GateFunction = Callable[[Tensor, Tensor], Tensor]
FUNCTIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
}


def gate_function(activation: Activation, alpha: float, limit: float) -> GateFunction:
    """What a gated MLP makes of its gate and up projections, in this order."""
    if activation == "clamped_swiglu":
        return partial(_clamped_swiglu, alpha=alpha, limit=limit)
    function = FUNCTIONS[activation]
    return lambda gate, up: function(gate) * up


def _clamped_swiglu(gate: Tensor, up: Tensor, *, alpha: float, limit: float) -> Tensor:
    gate, up = gate.clamp(max=limit), up.clamp(-limit, limit)
    return (up + 1) * (gate * torch.sigmoid(gate * alpha))

"""Mixtures of experts (Shazeer et al. 2017): each token goes through a few of a layer's MLPs, which a router chooses.

Tokens are grouped by expert, and every expert that has any is computed once. How many experts a layer has and how
large they are is data; the classes differ in how a checkpoint stores them (`config.ExpertLayout`).

Shapes: T tokens, E hidden size, X experts, C experts chosen per token, I width of an expert, M tokens of one expert.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from owngpt.model import mxfp4
from owngpt.model.config import ModelConfig
from owngpt.model.mlp import MLP, gate_function


class MixtureOfExperts(nn.Module):
    """A layer's router and experts, in the place of its MLP."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.num_experts = config.num_experts
        self.router_name = router_name(config)
        self.add_module(self.router_name, Router(config))
        self.experts = _STORES[config.expert_layout](config)

    def forward(self, x_TE: Tensor) -> Tensor:
        weights_TC, experts_TC = self.get_submodule(self.router_name)(x_TE)
        y_TE = torch.zeros_like(x_TE)
        for expert, rows_M, places_M in _groups(experts_TC, self.num_experts):
            y_ME = self.experts(expert, x_TE[rows_M]) * weights_TC[rows_M, places_M, None]
            y_TE.index_add_(0, rows_M, y_ME)
        return y_TE


def router_name(config: ModelConfig) -> str:
    """What checkpoints call the router of a layer."""
    return "gate" if config.expert_layout == "split" else "router"


class Router(nn.Module):
    """Says which experts each token goes through, and what each of them counts."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.num_experts, config.hidden_size))
        self.bias = nn.Parameter(torch.empty(config.num_experts)) if config.has_router_bias else None
        self.config = config

    def forward(self, x_TE: Tensor) -> tuple[Tensor, Tensor]:
        """-> weights_TC, experts_TC, the best first.

        The logits are float64 sums rounded to float32: in float32, the order in which a product adds up, which depends
        on how many tokens there are, would now and then decide between two experts.
        """
        bias = None if self.bias is None else self.bias.double()
        logits_TX = F.linear(x_TE.double(), self.weight.double(), bias).float()
        if self.config.router_kind == "softmax_first":
            weights_TC, experts_TC = _largest(logits_TX.softmax(-1), self.config.experts_per_token)
            if self.config.is_router_normalized:
                weights_TC = weights_TC / weights_TC.sum(-1, keepdim=True)
        else:
            chosen_TC, experts_TC = _largest(logits_TX, self.config.experts_per_token)
            weights_TC = chosen_TC.softmax(-1)
        return weights_TC.to(x_TE.dtype), experts_TC


class SplitExperts(nn.ModuleList):
    """An MLP for each."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(
            MLP(config, config.expert_size, has_bias=config.has_expert_bias) for _ in range(config.num_experts)
        )

    def forward(self, expert: int, x_ME: Tensor) -> Tensor:
        y_ME: Tensor = self[expert](x_ME)
        return y_ME


class FusedExperts(nn.Module):
    """All in two tensors, inputs before outputs. Column 2i of the first is gate i, column 2i + 1 is up i."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        count, hidden, size = config.num_experts, config.hidden_size, config.expert_size
        self.gate_up_proj = nn.Parameter(torch.empty(count, hidden, 2 * size))
        self.gate_up_proj_bias = nn.Parameter(torch.empty(count, 2 * size))
        self.down_proj = nn.Parameter(torch.empty(count, size, hidden))
        self.down_proj_bias = nn.Parameter(torch.empty(count, hidden))
        self.gate = gate_function(config)

    def forward(self, expert: int, x_ME: Tensor) -> Tensor:
        both = torch.addmm(self.gate_up_proj_bias[expert], x_ME, self.gate_up_proj[expert])
        return torch.addmm(self.down_proj_bias[expert], self.gate(both[:, ::2], both[:, 1::2]), self.down_proj[expert])


class Mxfp4Experts(nn.Module):
    """As `FusedExperts`, but 4-bit blocks, outputs before inputs. Only the expert in use is made numbers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        count, hidden, size = config.num_experts, config.hidden_size, config.expert_size
        self.gate_up_proj_blocks, self.gate_up_proj_scales = _blocks(count, 2 * size, hidden)
        self.gate_up_proj_bias = nn.Parameter(torch.empty(count, 2 * size))
        self.down_proj_blocks, self.down_proj_scales = _blocks(count, hidden, size)
        self.down_proj_bias = nn.Parameter(torch.empty(count, hidden))
        self.gate = gate_function(config)

    def forward(self, expert: int, x_ME: Tensor) -> Tensor:
        weight = mxfp4.dequantize(self.gate_up_proj_blocks[expert], self.gate_up_proj_scales[expert], x_ME.dtype)
        both = F.linear(x_ME, weight, self.gate_up_proj_bias[expert])
        weight = mxfp4.dequantize(self.down_proj_blocks[expert], self.down_proj_scales[expert], x_ME.dtype)
        return F.linear(self.gate(both[:, ::2], both[:, 1::2]), weight, self.down_proj_bias[expert])


_STORES = {"split": SplitExperts, "fused": FusedExperts, "mxfp4": Mxfp4Experts}


def _blocks(count: int, size_out: int, size_in: int) -> tuple[nn.Parameter, nn.Parameter]:
    groups = size_in // mxfp4.GROUP
    return (
        nn.Parameter(torch.empty(count, size_out, groups, mxfp4.GROUP // 2, dtype=torch.uint8), requires_grad=False),
        nn.Parameter(torch.empty(count, size_out, groups, dtype=torch.uint8), requires_grad=False),
    )


def _largest(scores_TX: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest and where they are. Of equal ones the lower index is first, which topk does not promise."""
    values, indices = scores_TX.sort(dim=-1, descending=True, stable=True)
    return values[:, :count], indices[:, :count]


def _groups(experts_TC: Tensor, num_experts: int) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Every expert that has tokens: which one, the rows of its tokens, and its place among those each of them chose."""
    flat = experts_TC.flatten()
    order = flat.argsort(stable=True)
    counts = torch.bincount(flat, minlength=num_experts).tolist()
    for expert, members in enumerate(torch.split(order, counts)):
        if len(members):
            yield expert, members // experts_TC.shape[1], members % experts_TC.shape[1]

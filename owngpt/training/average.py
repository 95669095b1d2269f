"""An average of the weights over the run's last part, beside the weights themselves.

It remembers a share of the tokens seen so far, however many those are ("power function" average: Karras et al. 2024,
"Analyzing and improving the training dynamics of diffusion models", section 3.1), so it needs no length of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """`update` after every step. `memory` is the share of the tokens seen that the average spans, over 0."""

    def __init__(self, masters: Mapping[str, Tensor], memory: float) -> None:
        self.memory = memory
        self.tensors = {name: master.clone() for name, master in masters.items()}

    @torch.no_grad()
    def update(self, masters: Mapping[str, Tensor], num_new: int, num_seen: int) -> None:
        """Take in the weights after a step of `num_new` tokens; `num_seen` counts these too."""
        weight = min(1.0, num_new / (self.memory * num_seen))
        for name, tensor in self.tensors.items():
            tensor.lerp_(masters[name], weight)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that `load_state_dict` needs."""
        return {f"average.{name}": tensor for name, tensor in self.tensors.items()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over a saved average."""
        for name, tensor in self.tensors.items():
            tensor.copy_(state[f"average.{name}"])

    @contextmanager
    def inside(self, model: nn.Module) -> Iterator[None]:
        """The model computes with the average in the meantime."""
        parameters = dict(model.named_parameters())
        kept = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        try:
            _write(parameters, self.tensors)
            yield
        finally:
            _write(parameters, kept)


@torch.no_grad()
def _write(parameters: Mapping[str, nn.Parameter], values: Mapping[str, Tensor]) -> None:
    for name, parameter in parameters.items():
        parameter.copy_(values[name])

"""An average of the weights over the run's last part, beside the weights themselves.

It remembers a share of the tokens seen so far, however many those are ("power function" average: Karras et al. 2024,
"Analyzing and improving the training dynamics of diffusion models", section 3.1), so it needs no length of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from owngpt.training.distributed import part, shard_of, whole


class WeightAverage:
    """`update` after every step. `memory` is the share of the tokens seen that the average spans, over 0."""

    def __init__(self, model: nn.Module, memory: float) -> None:
        self.memory = memory
        self.parameters = dict(model.named_parameters())
        self.tensors = {name: _shard(parameter).float().clone() for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def update(self, masters: Mapping[str, Tensor], num_new: int, num_seen: int) -> None:
        """Take in the weights after a step of `num_new` tokens; `num_seen` counts these too."""
        weight = min(1.0, num_new / (self.memory * num_seen))
        for name, tensor in self.tensors.items():
            tensor.lerp_(masters[name], weight)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that `load_state_dict` needs, in whole tensors."""
        return {f"average.{name}": tensor for name, tensor in self.whole().items()}

    def whole(self) -> dict[str, Tensor]:
        """The average's tensors by the names of the weights, also where this process has shards of them only."""
        return {name: whole(tensor, self.parameters[name]) for name, tensor in self.tensors.items()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over a saved average."""
        for name, tensor in self.tensors.items():
            tensor.copy_(part(state[f"average.{name}"], self.parameters[name]))

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """The model computes with the average in the meantime."""
        kept = {name: _shard(parameter).clone() for name, parameter in self.parameters.items()}
        try:
            self._write(self.tensors)
            yield
        finally:
            self._write(kept)

    @torch.no_grad()
    def _write(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            _shard(parameter).copy_(values[name])


def _shard(parameter: nn.Parameter) -> Tensor:
    return shard_of(parameter.detach())

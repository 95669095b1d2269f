"""How weights move: Muon for the matrices of the layers, Adam for embeddings, output head and norms.

The model computes in its own dtype (bfloat16 as a rule); the optimizer owns float32 master weights, moves those, and
copies them back, so small steps are not lost to rounding. Among several processes each moves its shards, and Muon puts
the whole matrix together.
Sources: Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon), its scale to match Adam's step (Liu et al. 2025,
"Muon is scalable for LLM training", section 2.2); decoupled weight decay (Loshchilov and Hutter 2019).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from owngpt.training.distributed import ALONE, Place, part, shard_of, whole

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # coefficients of the quintic that pushes singular values to 1
NEWTON_SCHULZ_STEPS = 5


@dataclass(frozen=True, slots=True)
class OptimConfig:
    """Learning rates are those of the plateau."""

    matrix_lr: float = 0.006
    embedding_lr: float = 0.015
    head_lr: float = 0.006
    norm_lr: float = 0.005
    momentum: float = 0.95
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05  # of matrices, relative to their learning rate
    clip: float = 1.0  # largest norm of all gradients together


@dataclass(slots=True)
class Slot:
    """One parameter with its float32 master copy, the sum of its gradients, and its moments: this process's shards.

    The master of a parameter that is float32 itself is the parameter's own memory.
    """

    parameter: nn.Parameter
    master: Tensor
    grad: Tensor
    first: Tensor
    second: Tensor | None  # None: moved by Muon, which has one moment
    lr: float

    @classmethod
    def of(cls, parameter: nn.Parameter, lr: float, *, is_muon: bool) -> Slot:
        master = shard_of(parameter.detach()).float()
        grad, first = torch.zeros_like(master), torch.zeros_like(master)
        return cls(parameter, master, grad, first, None if is_muon else torch.zeros_like(master), lr)

    def write_back(self) -> None:
        """Copy the master's values into the parameter."""
        if self.parameter.dtype != self.master.dtype:
            self.parameter.copy_(self.master)


class Optimizer:
    """`accumulate()` after every backward pass, `step()` after the last one of a batch."""

    def __init__(self, model: nn.Module, config: OptimConfig, place: Place = ALONE) -> None:
        self.config = config
        self.place = place
        self.num_steps = 0
        self.slots = {name: _slot(name, parameter, config) for name, parameter in model.named_parameters()}

    @property
    def masters(self) -> dict[str, Tensor]:
        """This process's shards of the weights in float32, by their names in the model."""
        return {name: slot.master for name, slot in self.slots.items()}

    def whole_masters(self) -> dict[str, Tensor]:
        """The weights in float32, whole."""
        return {name: whole(slot.master, slot.parameter) for name, slot in self.slots.items()}

    def accumulate(self) -> None:
        """Add the parameters' gradients to the float32 sums, and clear them."""
        for slot in self.slots.values():
            assert slot.parameter.grad is not None, "every parameter took part"
            slot.grad += shard_of(slot.parameter.grad)
            slot.parameter.grad = None

    @torch.no_grad()
    def step(self, factor: float, num_backward: int) -> float:
        """Move all weights by the mean of `num_backward` gradients; -> the norm of that mean before clipping."""
        self.num_steps += 1
        squares = torch.stack([slot.grad.norm() for slot in self.slots.values()]).square().sum()
        norm = float(self.place.total(squares).sqrt())
        scale = 1.0 / max(num_backward, norm / self.config.clip)
        for slot in self.slots.values():
            slot.grad *= scale
            if slot.second is None:
                self._muon(slot, slot.lr * factor)
            else:
                self._adam(slot, slot.second, slot.lr * factor)
            slot.write_back()
            slot.grad.zero_()
        return norm / num_backward

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that `load_state_dict` needs for an exact continuation, in whole tensors."""
        tensors = {name: whole(tensor, parameter) for name, tensor, parameter in self._tensors()}
        return {"num_steps": torch.tensor(self.num_steps), **tensors}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over master weights and moments, and write the weights into the model."""
        self.num_steps = int(state["num_steps"])
        for name, tensor, parameter in self._tensors():
            tensor.copy_(part(state[name], parameter))
        for slot in self.slots.values():
            slot.write_back()

    def _tensors(self) -> Iterator[tuple[str, Tensor, nn.Parameter]]:
        for name, slot in self.slots.items():
            yield f"master.{name}", slot.master, slot.parameter
            yield f"first.{name}", slot.first, slot.parameter
            if slot.second is not None:
                yield f"second.{name}", slot.second, slot.parameter

    def _muon(self, slot: Slot, lr: float) -> None:
        slot.first.lerp_(slot.grad, 1 - self.config.momentum)
        nesterov = slot.grad.lerp(slot.first, self.config.momentum).bfloat16()
        direction = orthogonalize(whole(nesterov, slot.parameter))
        scale = max(1.0, direction.shape[0] / direction.shape[1]) ** 0.5
        slot.master *= 1 - lr * self.config.weight_decay
        slot.master.add_(part(direction, slot.parameter), alpha=-lr * scale)

    def _adam(self, slot: Slot, second: Tensor, lr: float) -> None:
        beta1, beta2 = self.config.betas
        slot.first.lerp_(slot.grad, 1 - beta1)
        second.lerp_(slot.grad.square(), 1 - beta2)
        mean = slot.first / (1 - beta1**self.num_steps)
        spread = (second / (1 - beta2**self.num_steps)).sqrt_().add_(1e-8)
        slot.master.addcdiv_(mean, spread, value=-lr)


def orthogonalize(matrix: Tensor) -> Tensor:
    """The nearest matrix with singular values of about 1, by Newton-Schulz iteration in bfloat16; float32."""
    a, b, c = NEWTON_SCHULZ
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if is_tall else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    orthogonal: Tensor = (x.T if is_tall else x).float()
    return orthogonal


def group_of(name: str) -> str:
    """matrix, embedding, head or norm: which rule moves the parameter of that name."""
    if "norm" in name:
        return "norm"
    if name.startswith("layers."):
        return "matrix"
    return "head" if name.startswith("lm_head") else "embedding"


def _slot(name: str, parameter: nn.Parameter, config: OptimConfig) -> Slot:
    group = group_of(name) if parameter.dim() > 1 else "norm"  # biases are moved as norms are
    lr: float = getattr(config, f"{group}_lr")
    return Slot.of(parameter, lr, is_muon=group == "matrix")

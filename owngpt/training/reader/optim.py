"""How the reader's weights move: AdamW on float32 master copies, and on those rows of the embedding that were met.

The model computes in bfloat16. Of the embedding only the Japanese rows move, each when a batch has its piece, so that
English keeps its vectors and a step does not touch millions of numbers in vain (lazy Adam; Kingma and Ba 2015).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from owngpt.model.reader import Reader

WORDS = "encoder.words.weight"


@dataclass(frozen=True, slots=True)
class ReaderOptimConfig:
    """Learning rates are those of the plateau."""

    encoder_lr: float = 2e-4
    head_lr: float = 1e-3
    row_lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01  # of matrices
    clip: float = 1.0  # largest norm of all gradients but those of rows


class RowAdam:
    """Adam on some rows of an embedding, each with its own count of steps."""

    def __init__(self, weight: Tensor, rows: Tensor, betas: tuple[float, float]) -> None:
        self.weight, self.rows, self.betas = weight, rows, betas
        self.place = torch.full((len(weight),), -1, dtype=torch.long)
        self.place[rows] = torch.arange(len(rows))
        self.master = weight.detach()[rows].float()
        self.first, self.second = torch.zeros_like(self.master), torch.zeros_like(self.master)
        self.counts = torch.zeros(len(rows))

    def step(self, lr: float) -> None:
        """Move the rows that the (sparse) gradient names, and clear it."""
        assert self.weight.grad is not None, "a batch has words"
        grad, self.weight.grad = self.weight.grad.coalesce(), None
        places = self.place[grad.indices()[0]]
        kept, g_NE = places[places >= 0], grad.values()[places >= 0].float()
        beta1, beta2 = self.betas
        self.counts[kept] += 1
        self.first[kept] = self.first[kept].lerp(g_NE, 1 - beta1)
        self.second[kept] = self.second[kept].lerp(g_NE.square(), 1 - beta2)
        counts_N1 = self.counts[kept, None]
        mean, spread = self.first[kept] / (1 - beta1**counts_N1), self.second[kept] / (1 - beta2**counts_N1)
        self.master[kept] -= lr * mean / (spread.sqrt() + 1e-8)
        self.weight.data[self.rows[kept]] = self.master[kept].to(self.weight.dtype)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """What a continuation needs."""
        yield from (("rows.master", self.master), ("rows.first", self.first))
        yield from (("rows.second", self.second), ("rows.counts", self.counts))

    def write_back(self) -> None:
        """The master rows into the model."""
        self.weight.data[self.rows] = self.master.to(self.weight.dtype)


class ReaderOptimizer:
    """One `step()` after each backward pass."""

    def __init__(self, reader: Reader, config: ReaderOptimConfig, rows: Tensor) -> None:
        self.config = config
        self.parameters = {name: value for name, value in reader.named_parameters() if name != WORDS}
        self.masters = {name: value.detach().float().clone() for name, value in self.parameters.items()}
        self.rows = RowAdam(reader.encoder.words.weight, rows, config.betas)
        self.base_lrs = [config.encoder_lr, config.encoder_lr, config.head_lr]
        groups = [
            {
                "params": [value for name, value in self.masters.items() if _group(name, value) == group],
                "weight_decay": decay,
            }
            for group, decay in enumerate((config.weight_decay, 0.0, 0.0))
        ]
        self.adam = torch.optim.AdamW(groups, lr=1e-4, betas=config.betas, fused=True)

    @torch.no_grad()
    def step(self, factor: float) -> float:
        """Move everything; -> the norm of the dense gradients before clipping."""
        for name, master in self.masters.items():
            grad, self.parameters[name].grad = self.parameters[name].grad, None
            master.grad = None if grad is None else grad.float()
        grads = [master.grad for master in self.masters.values() if master.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(grads))
        torch._foreach_mul_(grads, min(1.0, self.config.clip / max(norm, 1e-9)))
        for group, lr in zip(self.adam.param_groups, self.base_lrs, strict=True):
            group["lr"] = lr * factor
        self.adam.step()
        self.rows.step(self.config.row_lr * factor)
        self.write_back()
        return norm

    def write_back(self) -> None:
        """The masters into the model."""
        for name, master in self.masters.items():
            self.parameters[name].data.copy_(master)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that `load_state_dict` needs for an exact continuation."""
        return dict(self._tensors())

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over masters and moments, and write the weights into the model."""
        for name, master in self.masters.items():
            kept = {
                key: state[f"{key}.{name}"] for key in ("exp_avg", "exp_avg_sq", "step") if f"{key}.{name}" in state
            }
            if kept:
                self.adam.state[master] = kept
        for name, tensor in self._tensors():
            if name.startswith(("master.", "rows.")):
                tensor.copy_(state[name])
        self.write_back()
        self.rows.write_back()

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        yield from self.rows.tensors()
        for name, master in self.masters.items():
            yield f"master.{name}", master
            for key, value in self.adam.state.get(master, {}).items():
                yield f"{key}.{name}", value


def _group(name: str, value: Tensor) -> int:
    """0: matrices, 1: vectors and tables of the encoder, 2: heads."""
    if not name.startswith("encoder."):
        return 2
    return 0 if value.ndim == 2 and name.startswith("encoder.layers.") else 1

"""Cross-entropy of the next token without the whole table of logits.

The logits of T x V are the largest tensor of a training step by far. Here they are made, turned into gradients and
dropped for a few rows at a time (as in Liger Kernel, Hsu et al. 2024, section 3.2), so that they stay in the cache.
Shapes: T tokens, E hidden size, V vocabulary, C rows at a time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

ROWS_AT_A_TIME = 512


def next_token_loss(hidden_TE: Tensor, head_VE: Tensor, targets_T: Tensor) -> Tensor:
    """Mean cross-entropy in nats, float32; differentiable once in `hidden_TE` and `head_VE`."""
    loss: Tensor = _ChunkedLoss.apply(hidden_TE, head_VE, targets_T)  # type: ignore[no-untyped-call]
    return loss


@torch.no_grad()
def token_losses(hidden_TE: Tensor, head_VE: Tensor, targets_T: Tensor) -> Tensor:
    """losses_T: cross-entropy of every token in nats, float32, without gradients."""
    chunks = zip(torch.split(hidden_TE, ROWS_AT_A_TIME), torch.split(targets_T, ROWS_AT_A_TIME), strict=True)
    parts = [
        F.cross_entropy((rows_CE @ head_VE.T).float(), targets_C, reduction="none") for rows_CE, targets_C in chunks
    ]
    return torch.cat(parts)


class _ChunkedLoss(torch.autograd.Function):
    """Computes the gradients on the way forward, since each chunk's logits are at hand there."""

    @staticmethod
    def forward(ctx: Any, hidden_TE: Tensor, head_VE: Tensor, targets_T: Tensor) -> Tensor:
        total = hidden_TE.new_zeros((), dtype=torch.float32)
        grad_hidden_TE = torch.empty_like(hidden_TE)
        grad_head_VE = torch.zeros_like(head_VE, dtype=torch.float32)
        for start in range(0, len(targets_T), ROWS_AT_A_TIME):
            rows = slice(start, start + ROWS_AT_A_TIME)
            hidden_CE, targets_C1 = hidden_TE[rows], targets_T[rows, None]
            log_probs_CV = torch.log_softmax((hidden_CE @ head_VE.T).float(), dim=-1)
            total -= log_probs_CV.gather(1, targets_C1).sum()
            grad_CV = log_probs_CV.exp_()
            grad_CV.scatter_add_(1, targets_C1, grad_CV.new_full(targets_C1.shape, -1.0))
            grad_CV = grad_CV.to(head_VE.dtype)
            grad_hidden_TE[rows] = grad_CV @ head_VE
            grad_head_VE += grad_CV.T @ hidden_CE
        ctx.save_for_backward(grad_hidden_TE, grad_head_VE)
        ctx.num_tokens = len(targets_T)
        return total / len(targets_T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, Tensor, None]:
        grad_hidden_TE, grad_head_VE = ctx.saved_tensors
        scale = grad_loss / ctx.num_tokens
        return grad_hidden_TE * scale.to(grad_hidden_TE.dtype), (grad_head_VE * scale).to(grad_hidden_TE.dtype), None

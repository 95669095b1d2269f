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
TINY = 1e-37  # no probability counts as less, so that no loss is infinite


def next_token_loss(hidden_TE: Tensor, head_VE: Tensor, targets_T: Tensor, z_weight: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats, float32; differentiable once in `hidden_TE` and `head_VE`.

    `z_weight` times the mean square of log Z is added, which keeps logits from drifting (PaLM, section 5).
    """
    loss: Tensor = _ChunkedLoss.apply(hidden_TE, head_VE, targets_T, z_weight)  # type: ignore[no-untyped-call]
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
    def forward(ctx: Any, hidden_TE: Tensor, head_VE: Tensor, targets_T: Tensor, z_weight: float) -> Tensor:
        total = hidden_TE.new_zeros((), dtype=torch.float32)
        grad_hidden_TE = torch.empty_like(hidden_TE)
        grad_head_VE = torch.zeros_like(head_VE, dtype=torch.float32)
        for start in range(0, len(targets_T), ROWS_AT_A_TIME):
            rows = slice(start, start + ROWS_AT_A_TIME)
            logits_CV = hidden_TE[rows] @ head_VE.T
            losses_C, grad_CV = _losses(logits_CV, targets_T[rows, None], z_weight)
            total += losses_C.sum()
            grad_hidden_TE[rows] = grad_CV @ head_VE
            grad_head_VE += grad_CV.T @ hidden_TE[rows]
        ctx.save_for_backward(grad_hidden_TE, grad_head_VE)
        ctx.num_tokens = len(targets_T)
        return total / len(targets_T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_hidden_TE, grad_head_VE = ctx.saved_tensors
        scale = grad_loss / ctx.num_tokens
        grad_hidden_TE, grad_head_VE = grad_hidden_TE * scale.to(grad_hidden_TE.dtype), grad_head_VE * scale
        return grad_hidden_TE, grad_head_VE.to(grad_hidden_TE.dtype), None, None


def _losses(logits_CV: Tensor, targets_C1: Tensor, z_weight: float) -> tuple[Tensor, Tensor]:
    """losses_C in float32, and their derivatives by the logits, in the dtype of these."""
    probs_CV = torch.softmax(logits_CV.float(), dim=-1)
    losses_C1 = -probs_CV.gather(1, targets_C1).clamp_min_(TINY).log_()
    if z_weight:
        log_z_C1 = logits_CV.gather(1, targets_C1) + losses_C1
        losses_C1 = losses_C1 + z_weight * log_z_C1.square()
        probs_CV *= 1 + 2 * z_weight * log_z_C1
    probs_CV.scatter_add_(1, targets_C1, probs_CV.new_full(targets_C1.shape, -1.0))
    return losses_C1, probs_CV.to(logits_CV.dtype)

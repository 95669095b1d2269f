"""Log-probabilities of given tokens without the whole table of logits, as `loss.py` does, but one for each token.

So an objective may do anything with them. Logits are made twice: for the values, and for the gradients.
Shapes: T tokens, E hidden size, V vocabulary, C rows at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from owngpt.training.loss import ROWS_AT_A_TIME


class Scores(NamedTuple):
    """Of given tokens: log-probabilities in nats, and whether each is the likeliest of all."""

    logprobs_T: Tensor
    is_best_T: Tensor


def token_logprobs(hidden_TE: Tensor, head_VE: Tensor, targets_T: Tensor) -> Tensor:
    """logprobs_T in nats, float32; differentiable once in `hidden_TE` and `head_VE`."""
    logprobs_T: Tensor = _TokenLogprobs.apply(hidden_TE, head_VE, targets_T)  # type: ignore[no-untyped-call]
    return logprobs_T


@torch.no_grad()
def score_tokens(hidden_TE: Tensor, head_VE: Tensor, targets_T: Tensor) -> Scores:
    """The scores of `targets_T`, without gradients."""
    logprobs, is_best = [hidden_TE.new_empty(0).float()], [targets_T.new_empty(0).bool()]
    for rows in _chunks(len(targets_T)):
        logits_CV = (hidden_TE[rows] @ head_VE.T).float()
        logprobs.append(_of_targets(logits_CV, targets_T[rows]))
        is_best.append(logits_CV.argmax(-1) == targets_T[rows])
    return Scores(torch.cat(logprobs), torch.cat(is_best))


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden_TE: Tensor, head_VE: Tensor, targets_T: Tensor) -> Tensor:
        ctx.save_for_backward(hidden_TE, head_VE, targets_T)
        return score_tokens(hidden_TE, head_VE, targets_T).logprobs_T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_T: Tensor) -> tuple[Tensor, Tensor, None]:
        hidden_TE, head_VE, targets_T = ctx.saved_tensors
        grad_hidden_TE = torch.empty_like(hidden_TE)
        grad_head_VE = torch.zeros_like(head_VE, dtype=torch.float32)
        for rows in _chunks(len(targets_T)):
            grad_CV = torch.softmax((hidden_TE[rows] @ head_VE.T).float(), -1).neg_()
            targets_C1 = targets_T[rows, None]
            grad_CV.scatter_add_(1, targets_C1, grad_CV.new_ones(targets_C1.shape))
            grad_CV = grad_CV.mul_(grad_T[rows, None]).to(hidden_TE.dtype)
            grad_hidden_TE[rows] = grad_CV @ head_VE
            grad_head_VE += grad_CV.T @ hidden_TE[rows]
        return grad_hidden_TE, grad_head_VE.to(head_VE.dtype), None


def _chunks(num_tokens: int) -> list[slice]:
    return [slice(start, start + ROWS_AT_A_TIME) for start in range(0, num_tokens, ROWS_AT_A_TIME)]


def _of_targets(logits_CV: Tensor, targets_C: Tensor) -> Tensor:
    return logits_CV.gather(1, targets_C[:, None])[:, 0] - logits_CV.logsumexp(-1)

"""The trainer's attention is plain attention over each document alone, in values and gradients."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from owngpt.model.config import ModelConfig
from owngpt.training.attention import QUERIES_AT_A_TIME, RowAttention, document_starts
from owngpt.training.dial import shape

CONFIG = ModelConfig.from_dict(shape(2, 64, 512))
END = 0


def heads(num_tokens: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_tokens, 2, 64, generator=generator).to(dtype).requires_grad_()


def by_document(q: Tensor, k: Tensor, v: Tensor, tokens: Tensor, num_rows: int) -> Tensor:
    """One call of PyTorch's attention for each document."""
    length = len(tokens) // num_rows
    cuts = [0, *(place + 1 for place in range(len(tokens)) if tokens[place] == END or (place + 1) % length == 0)]
    cuts = sorted({*cuts, len(tokens)})
    parts = []
    for start, end in pairwise(cuts):
        q_part, k_part, v_part = (x[start:end].transpose(0, 1) for x in (q, k, v))
        parts.append(scaled_dot_product_attention(q_part, k_part, v_part, is_causal=True).transpose(0, 1))
    return torch.cat(parts)


@pytest.mark.parametrize("length", [40, QUERIES_AT_A_TIME, 2 * QUERIES_AT_A_TIME + 32])
@pytest.mark.parametrize("num_ends", [0, 3, 30])
def test_it_is_attention_within_documents(length: int, num_ends: int) -> None:
    """Rows of less than a block, of one, and of some that are not full; also with two ends side by side."""
    num_rows = 2
    tokens = torch.ones(num_rows * length, dtype=torch.int64)
    tokens[torch.randperm(len(tokens), generator=torch.Generator().manual_seed(1))[:num_ends]] = END
    q, k, v = (heads(len(tokens), seed) for seed in range(3))
    expected = by_document(q, k, v, tokens, num_rows)
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(9))
    expected_grads = torch.autograd.grad((expected * direction).sum(), (q, k, v))
    attention = RowAttention(CONFIG, num_rows, document_starts(tokens, num_rows, END))
    got = attention(0, q, k, v)
    grads = torch.autograd.grad((got * direction).sum(), (q, k, v))
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(grads, expected_grads, rtol=1e-4, atol=1e-5)


def test_bfloat16_is_as_near_to_the_truth_as_pytorchs_kernel() -> None:
    """Within twice its distance: the scores are rounded once, which the fused kernel does not do."""
    tokens = torch.ones(512, dtype=torch.int64)
    starts = document_starts(tokens, 1, END)
    direction = torch.randn(512, 2, 64, generator=torch.Generator().manual_seed(9))

    def run(dtype: torch.dtype, *, is_ours: bool) -> list[Tensor]:
        q, k, v = (heads(512, seed, dtype) for seed in range(3))
        o = RowAttention(CONFIG, 1, starts)(0, q, k, v) if is_ours else by_document(q, k, v, tokens, 1)
        return [o.float(), *(grad.float() for grad in torch.autograd.grad((o.float() * direction).sum(), (q, k, v)))]

    truth = run(torch.float32, is_ours=False)
    for name, true, ours, theirs in zip(
        "oqkv", truth, run(torch.bfloat16, is_ours=True), run(torch.bfloat16, is_ours=False), strict=True
    ):
        assert (ours - true).norm() < 2 * (theirs - true).norm(), name


def test_documents_start_after_an_end_and_with_a_row() -> None:
    tokens = torch.tensor([5, END, 6, 7, END, 8, 9, 9])
    assert document_starts(tokens, 2, END).tolist() == [0, 0, 2, 2, 0, 1, 1, 1]
    assert document_starts(tokens, 1, END).tolist() == [0, 0, 2, 2, 2, 5, 5, 5]

"""Packed weights computed by PyTorch: the kernels' numbers without the kernels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from owngpt.kernels.library import load
from owngpt.kernels.packed import PackedWeight, pack_codes4, pack_int4, pack_int8
from owngpt.model.attention import DenseAttention
from owngpt.model.packed_model import load_packed
from owngpt.model.quantized import (
    Int4Linear,
    QuantizedEmbedding,
    QuantizedLinear,
    int4_codes,
    int8_codes,
    quantize_rows,
    to_transformer,
)
from owngpt.model.transformer import Transformer
from owngpt.model.weights import load_model
from tests.fakes.model import FAMILIES

SIZES = [(1, 1), (5, 7), (16, 32), (100, 200), (33, 1000)]


def random_case(n: int, k: int, rows: int = 9) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n + k)
    return tuple(torch.randn(shape, generator=generator) for shape in ((n, k), (n,), (rows, k)))  # type: ignore[return-value]


def linear(weight: PackedWeight) -> torch.nn.Module:
    bias_N = None if weight.bias_N is None else weight.bias_N[: weight.n]
    if weight.group:
        return Int4Linear(int4_codes(weight), bias_N)
    assert weight.scale_N is not None
    return QuantizedLinear(int8_codes(weight), weight.scale_N[: weight.n], bias_N)


def pack_all_of_int4(weight_NK: Tensor, bias_N: Tensor) -> PackedWeight:
    """A table, minima, groups of 64."""
    groups = -(-weight_NK.shape[1] // 64)
    generator = torch.Generator().manual_seed(1)
    return pack_codes4(
        torch.randint(0, 16, weight_NK.shape, generator=generator, dtype=torch.uint8),
        torch.rand(len(weight_NK), groups, generator=generator),
        group=64,
        min_NG=torch.rand(len(weight_NK), groups, generator=generator),
        zero=12,
        lut=(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0),
        bias_N=bias_N,
    )


@pytest.mark.parametrize("pack", [pack_int8, pack_int4, pack_all_of_int4])
@pytest.mark.parametrize(("n", "k"), SIZES)
def test_products_equal_the_definition(pack: Callable[..., PackedWeight], n: int, k: int) -> None:
    """In float64, of what the codes stand for."""
    weight_NK, bias_N, x_TK = random_case(n, k)
    weight = pack(weight_NK, bias_N)
    q_TK, scale_T1 = quantize_rows(x_TK)
    w_NK = weight.dequantize().double()
    expected = (q_TK.double() * scale_T1.double()) @ w_NK.T + bias_N
    error = (linear(weight)(x_TK) - expected).abs()
    assert (error <= 1e-6 * (w_NK.norm(dim=1) * x_TK.double().norm(dim=1)[:, None] + expected.abs())).all()


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_int8_is_exact(n: int, k: int) -> None:
    weight_NK, bias_N, x_TK = random_case(n, k)
    weight = pack_int8(weight_NK, bias_N)
    assert weight.scale_N is not None
    q_TK, scale_T1 = quantize_rows(x_TK)
    exact = (q_TK.long() @ int8_codes(weight).long().T).float()
    assert torch.equal(linear(weight)(x_TK), exact * (scale_T1 * weight.scale_N[:n]) + bias_N)


@pytest.mark.skipif(load() is None, reason="the native kernels are not built")
@pytest.mark.parametrize(("n", "k"), SIZES)
def test_int8_has_the_bits_of_the_kernels(n: int, k: int) -> None:
    kernels = load()
    assert kernels is not None
    weight_NK, bias_N, x_TK = random_case(n, k)
    weight = pack_int8(weight_NK, bias_N)
    assert torch.equal(linear(weight)(x_TK), kernels.matmul(x_TK, weight))
    assert weight.scale_N is not None
    embedded = QuantizedEmbedding(int8_codes(weight), weight.scale_N[:n])(torch.tensor([n - 1]))
    assert torch.equal(embedded[0], kernels.embed_row(weight, n - 1))


def test_codes_come_back() -> None:
    weight_NK, bias_N, _ = random_case(33, 200)
    weight = pack_all_of_int4(weight_NK, bias_N)
    assert torch.equal(int4_codes(weight).dequantize()[:, :200], weight.dequantize())
    int8 = pack_int8(weight_NK)
    assert int8.scale_N is not None
    assert torch.equal(int8_codes(int8).float() * int8.scale_N[:33, None], int8.dequantize())


def test_what_is_not_a_number_shows() -> None:
    weight_NK, bias_N, x_TK = random_case(20, 40)
    clean = linear(pack_int8(weight_NK, bias_N))(x_TK)
    for bad in (torch.nan, torch.inf):
        x_TK[1, 3] = bad
        y_TN = linear(pack_int8(weight_NK, bias_N))(x_TK)
        assert y_TN[1].isnan().all()
        assert torch.equal(y_TN[2:], clean[2:])


def logits(model: Transformer, ids: list[int]) -> Tensor:
    with torch.inference_mode():
        hidden = model(torch.tensor(ids), torch.arange(len(ids)), DenseAttention(model.config, batch=1))
        return model.logits(hidden)


IDS = list(range(3, 40))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_runs_from_packed_weights(family: str, checkpoint: Callable[[str], Path]) -> None:
    """Random weights have no structure that forgives: errors of layers add up, and routers choose other experts."""
    folder = checkpoint(family)
    plain = logits(load_model(folder, "fp32"), IDS)
    for dtype, limit in {"fp32": 1e-6, "bf16": 0.1, "int8": 0.3, "int4": 0.8}.items():
        error = logits(to_transformer(load_packed(folder, dtype)), IDS) - plain
        assert error.std() / plain.std() < limit

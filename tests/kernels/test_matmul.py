"""Every instruction set that this CPU has multiplies as the definition says, and a row's result is its own affair."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from owngpt.kernels.library import ISAS, Library, load
from owngpt.kernels.packed import PackedWeight, pack_bf16, pack_codes4, pack_f32, pack_int4, pack_int8

LIBRARIES = [library for isa in ISAS if (library := load(isa)) is not None]
SIZES = [(1, 1), (5, 7), (16, 32), (100, 200), (208, 96), (33, 1000)]
ROWS = [*range(1, 18), 33]

pytestmark = pytest.mark.skipif(not LIBRARIES, reason="the native kernels are not built")
each_library = pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.isa)


def pack_codes(weight_NK: Tensor, bias_N: Tensor | None = None) -> PackedWeight:
    """Codes with a table, minima and a group of 64: all that int4 can be."""
    generator = torch.Generator().manual_seed(1)
    n, groups = len(weight_NK), -(-weight_NK.shape[1] // 64)
    return pack_codes4(
        torch.randint(0, 16, weight_NK.shape, generator=generator, dtype=torch.uint8),
        torch.rand(n, groups, generator=generator) * 0.01,
        group=64,
        min_NG=torch.rand(n, groups, generator=generator) * 0.1,
        zero=12,
        lut=(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0),
        bias_N=bias_N,
    )


Pack = Callable[..., PackedWeight]
FORMATS: list[Pack] = [pack_f32, pack_bf16, pack_int8, pack_int4, pack_codes]
each_format = pytest.mark.parametrize("pack", FORMATS)


def random_case(n: int, k: int, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1000 * n + k)
    weight_NK, bias_N = torch.randn(n, k, generator=generator) * 0.1, torch.randn(n, generator=generator)
    return weight_NK, bias_N, torch.randn(rows, k, generator=generator)


def quantize_rows(x_RK: Tensor) -> tuple[Tensor, Tensor]:
    """int8 codes and scales, by the definition."""
    largest_R1 = x_RK.abs().amax(1, keepdim=True)
    return (x_RK * (127 / largest_R1)).round(), largest_R1 / 127


def expected_product(x_RK: Tensor, weight: PackedWeight) -> Tensor:
    """In float64, from the activations as the format has them."""
    if weight.scale_N is not None:
        codes, scale = quantize_rows(x_RK)
        x_RK = codes.double() * scale
    elif weight.data.numel() < 4 * weight.padded_n * weight.padded_k:
        x_RK = x_RK.bfloat16()
    y_RN = x_RK.double() @ weight.dequantize().double().T
    return y_RN if weight.bias_N is None else y_RN + weight.bias_N[: weight.n]


@each_library
@each_format
@pytest.mark.parametrize(("n", "k"), SIZES)
def test_products_equal_the_definition(library: Library, pack: Pack, n: int, k: int) -> None:
    weight_NK, bias_N, x_RK = random_case(n, k, 33)
    for weight in (pack(weight_NK), pack(weight_NK, bias_N)):
        expected = expected_product(x_RK, weight)
        scale = weight.dequantize().double().norm(dim=1) * x_RK.double().norm(dim=1)[:, None]
        error = (library.matmul(x_RK, weight) - expected).abs()
        assert (error <= 1e-6 * (scale + expected.abs())).all()


@each_library
@pytest.mark.parametrize(("n", "k"), SIZES)
def test_int8_is_exact(library: Library, n: int, k: int) -> None:
    """Integers are summed exactly and scaled once: there is only one right result."""
    weight_NK, bias_N, x_RK = random_case(n, k, 17)
    weight = pack_int8(weight_NK, bias_N)
    assert weight.scale_N is not None
    codes_NK = (weight.dequantize() / weight.scale_N[:n, None]).round().long()
    codes_RK, scale_R1 = quantize_rows(x_RK)
    expected = (codes_RK.long() @ codes_NK.T).float() * (scale_R1 * weight.scale_N[:n]) + bias_N
    assert torch.equal(library.matmul(x_RK, weight), expected)


@each_library
@each_format
@pytest.mark.parametrize(("n", "k"), [(208, 96), (33, 1000)])
def test_a_row_does_not_see_its_company(library: Library, pack: Pack, n: int, k: int) -> None:
    """The same bits alone, among any number of rows, and with any number of threads."""
    weight_NK, bias_N, x_RK = random_case(n, k, max(ROWS))
    weight = pack(weight_NK, bias_N)
    alone = torch.cat([library.matmul(row, weight) for row in x_RK.split(1)])
    for rows in ROWS:
        assert torch.equal(library.matmul(x_RK[:rows], weight), alone[:rows])
    for threads in (2, 3):
        assert torch.equal(library.matmul(x_RK, weight, threads), alone)


@pytest.mark.parametrize("pack", [pack_int8, pack_int4, pack_codes])
@pytest.mark.parametrize(("n", "k"), SIZES)
def test_quantized_products_are_the_same_on_every_path(pack: Pack, n: int, k: int) -> None:
    weight_NK, bias_N, x_RK = random_case(n, k, 9)
    weight = pack(weight_NK, bias_N)
    first, *others = (library.matmul(x_RK, weight) for library in LIBRARIES)
    for other in others:
        assert torch.equal(first, other)


@each_library
def test_largest_values_do_not_overflow(library: Library) -> None:
    """All codes at their limits, of both signs: byte products whose sums saturate in 16 bits if done carelessly."""
    weight_NK = torch.where(torch.arange(64 * 256).view(64, 256) % 3 == 0, 1.0, -1.0)
    x_RK = torch.where(torch.arange(256) % 5 == 0, -1.0, 1.0).expand(3, 256)
    lut = tuple(255 if code % 2 else 0 for code in range(16))
    codes = torch.arange(64 * 256, dtype=torch.int32).view(64, 256).remainder(16).to(torch.uint8)
    extreme = pack_codes4(codes, torch.ones(64, 8), group=32, zero=128, lut=lut)
    for weight in (pack_int8(weight_NK), extreme):
        assert torch.allclose(library.matmul(x_RK, weight), expected_product(x_RK, weight).float(), rtol=1e-6)


@each_library
@each_format
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_a_number_shows(library: Library, pack: Pack, bad: float) -> None:
    """In its own row only, and never as a finite lie."""
    weight_NK, _, x_RK = random_case(40, 70, 3)
    weight = pack(weight_NK)
    clean = library.matmul(x_RK, weight)
    x_RK[1, 69] = bad
    y_RN = library.matmul(x_RK, weight)
    assert not y_RN[1].isfinite().any()
    assert torch.equal(y_RN[::2], clean[::2])


@each_library
@each_format
def test_zeros_and_tiny_values(library: Library, pack: Pack) -> None:
    weight_NK, bias_N, _ = random_case(40, 70, 1)
    x_RK = torch.stack([torch.zeros(70), torch.full((70,), 1e-40), torch.full((70,), 1e-44)])
    assert torch.allclose(library.matmul(x_RK, pack(weight_NK, bias_N)), bias_N.expand(3, -1), atol=1e-30)


@each_library
@each_format
def test_an_embedding_row_is_the_dequantized_one(library: Library, pack: Pack) -> None:
    weight = pack(random_case(40, 70, 1)[0])
    rows = torch.stack([library.embed_row(weight, n) for n in range(40)])
    assert torch.allclose(rows, weight.dequantize(), rtol=1e-6, atol=0)

"""What is packed comes back: exactly, or as near as the format allows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from owngpt.kernels.packed import Format, PackedWeight, pack_bf16, pack_codes4, pack_f32, pack_int4, pack_int8

SIZES = [(1, 1), (16, 32), (17, 33), (100, 200), (1100, 64)]  # the last has more rows than one slice


def random_weight(n: int, k: int) -> Tensor:
    return torch.randn(n, k, generator=torch.Generator().manual_seed(n * k))


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_float_formats_keep_their_values(n: int, k: int) -> None:
    weight = random_weight(n, k)
    assert torch.equal(pack_f32(weight).dequantize(), weight)
    assert torch.equal(pack_bf16(weight).dequantize(), weight.bfloat16().float())
    assert torch.equal(pack_f32(weight.half()).dequantize(), weight.half().float())


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_int8_is_within_half_a_step(n: int, k: int) -> None:
    weight = random_weight(n, k)
    weight[0] = 0
    error = (pack_int8(weight).dequantize() - weight).abs()
    assert (error <= weight.abs().amax(1, keepdim=True) / 127 * 0.5001).all()


def test_int8_codes_survive_being_packed_again() -> None:
    """The largest value of a row keeps its code, so a second round changes nothing."""
    once = pack_int8(random_weight(40, 70)).dequantize()
    assert torch.allclose(pack_int8(once).dequantize(), once, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("n", "k"), SIZES)
@pytest.mark.parametrize("group", [32, 64])
def test_int4_is_nearer_than_plain_rounding(n: int, k: int, group: int) -> None:
    weight = random_weight(n, k)
    packed = pack_int4(weight, group=group)
    groups = torch.nn.functional.pad(weight, (0, -k % group)).reshape(n, -1, group)
    scale = groups.abs().amax(2, keepdim=True) / 7
    rounded = ((groups / scale.clamp_min(1e-30)).round() * scale).flatten(1)[:, :k]
    assert packed.dequantize().shape == (n, k)
    assert (packed.dequantize() - weight).norm() <= (rounded - weight).norm() + 1e-3


def test_int4_of_zeros_is_zero() -> None:
    assert torch.equal(pack_int4(torch.zeros(3, 40)).dequantize(), torch.zeros(3, 40))


@pytest.mark.parametrize("has_min", [False, True])
@pytest.mark.parametrize("lut", [None, tuple(range(0, 160, 10))])
def test_codes_are_kept_as_they_are(lut: tuple[int, ...] | None, has_min: bool) -> None:
    """Scales with at most 11 digits, as float16 files have them, are exact whatever their size."""
    n, k, group = 21, 192, 64
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 16, (n, k), generator=generator, dtype=torch.uint8)
    scale = torch.rand(n, k // group, generator=generator).half().float() * 2.0**-20
    least = torch.rand(n, k // group, generator=generator).half().float() * 2.0**-20 if has_min else None
    packed = pack_codes4(codes, scale, group=group, min_NG=least, zero=8, lut=lut)
    values = torch.tensor(lut or range(16))[codes.int()].float() - 8
    expected = values.reshape(n, -1, group) * scale[..., None]
    if least is not None:
        expected = expected - least[..., None]
    assert packed.format == Format.INT4
    assert torch.allclose(packed.dequantize(), expected.flatten(1), rtol=1e-6, atol=0)


def test_sizes_per_parameter() -> None:
    weight = random_weight(512, 1024)
    assert pack_bf16(weight).num_bytes == 2 * weight.numel()
    assert pack_int8(weight).num_bytes <= 1.05 * weight.numel()
    assert pack_int4(weight).num_bytes <= 0.57 * weight.numel()


def test_data_is_aligned_for_vector_loads() -> None:
    for pack in (pack_f32, pack_bf16, pack_int8, pack_int4):
        assert pack(random_weight(33, 65)).data.data_ptr() % 64 == 0


@pytest.mark.parametrize("pack", [pack_f32, pack_bf16, pack_int8, pack_int4])
@pytest.mark.parametrize("broken", [torch.inf, -torch.inf, torch.nan])
def test_what_is_not_finite_shows(broken: float, pack: Callable[[Tensor], PackedWeight]) -> None:
    weight = random_weight(20, 96)
    weight[3, 40] = broken
    found = pack(weight).dequantize()
    assert not found[3, 40].isfinite()
    assert found[torch.arange(20) != 3].isfinite().all()

"""Weight matrices in the layout that the native kernels read, in pure PyTorch: packing works without the library.

A product computes y[r, n] = sum over k of x[r, k] * w[n, k]. Sixteen rows n are a panel, so that one vector register
holds 16 outputs; n is padded to 16 and k to 32. `data` holds, as bytes (see csrc/abi.h):

    F32   [n/16][k][16]           float32
    BF16  [n/16][k/2][16][2]      bfloat16
    INT8  [n/16][k/4][16][4]      the code plus 128, codes in [-127, 127]: w = scale[n] * code
    INT4  [n/16][k/32][4][16][4]  two codes per byte: of 32 values of k, 4j + i low and 16 + 4j + i high;
                                  w = scale[n] * (group_scale * (lut[code] - zero) - group_min)

Shapes: N rows and K columns as given, G = K / group groups of a row, P panels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor, unflatten
from torch.nn.functional import pad

PANEL = 16
K_UNIT = 32
_SLICE = 8 * PANEL  # rows that are converted at a time: they stay in the cache, and no matrix needs a full copy


class Format(IntEnum):
    """How the values of a matrix are kept. The numbers are those of csrc/abi.h."""

    F32 = 0
    BF16 = 1
    INT8 = 2
    INT4 = 3


@dataclass(frozen=True, slots=True, eq=False)
class PackedWeight:
    """A matrix w[n, k] of true size n by k. Every tensor is contiguous; kernels ask for 64-byte alignment of `data`."""

    format: Format
    n: int
    k: int
    data: Tensor  # uint8, flat
    scale_N: Tensor | None = None  # float32, padded: INT8, INT4
    group: int = 0  # INT4: values of k that share a scale, a multiple of 32
    group_scale: Tensor | None = None  # float16 [n/16, k/group, 16]: INT4
    group_min: Tensor | None = None  # the same shape: INT4 with minima
    zero: int = 0  # INT4
    lut: tuple[int, ...] | None = None  # INT4: what the 16 codes stand for, 0..255; None: themselves
    bias_N: Tensor | None = None  # float32, padded

    @property
    def padded_n(self) -> int:
        return _round_up(self.n, PANEL)

    @property
    def padded_k(self) -> int:
        return _round_up(self.k, max(K_UNIT, self.group))

    @property
    def num_bytes(self) -> int:
        """Of all tensors together."""
        tensors = (self.data, self.scale_N, self.group_scale, self.group_min, self.bias_N)
        return sum(tensor.nbytes for tensor in tensors if tensor is not None)

    def dequantize(self) -> Tensor:
        """float32 [n, k], without the bias."""
        w_NK = torch.empty(self.n, self.k)
        for start in range(0, self.padded_n, _SLICE):
            rows = w_NK[start : start + _SLICE]
            values = _UNPACK[self.format](self, slice(start // PANEL, (start + _SLICE) // PANEL))
            rows.copy_(values[: len(rows), : self.k])
        return w_NK


def pack_f32(weight_NK: Tensor, bias_N: Tensor | None = None) -> PackedWeight:
    """float32 as it is."""
    n, k = weight_NK.shape
    data = _empty(n, k, 4)
    for rows, values in _slices(weight_NK):
        data[rows] = _bytes(_by_panel(values.float()).transpose(1, 2))
    return PackedWeight(Format.F32, n, k, data.flatten(), bias_N=_pad_bias(bias_N))


def pack_bf16(weight_NK: Tensor, bias_N: Tensor | None = None) -> PackedWeight:
    """bfloat16, to nearest even."""
    n, k = weight_NK.shape
    data = _empty(n, k, 2)
    for rows, values in _slices(weight_NK):
        pairs = unflatten(values.bfloat16(), 1, (-1, 2))
        data[rows] = _bytes(_by_panel(pairs).transpose(1, 2))
    return PackedWeight(Format.BF16, n, k, data.flatten(), bias_N=_pad_bias(bias_N))


def pack_int8(weight_NK: Tensor, bias_N: Tensor | None = None) -> PackedWeight:
    """Symmetric, one scale per row: max |w| / 127. A row of zeros has scale 0."""
    n, k = weight_NK.shape
    data, scale_N = _empty(n, k, 1), torch.empty(_round_up(n, PANEL))
    for rows, values in _slices(weight_NK):
        values = values.float()
        scale = values.abs().amax(1) / 127
        codes = (values / scale.clamp_min(torch.finfo(torch.float32).tiny)[:, None]).round_().clamp_(-127, 127)
        fours = unflatten((codes + 128).to(torch.uint8), 1, (-1, 4))
        data[rows] = _bytes(_by_panel(fours).transpose(1, 2))
        _by_panel(scale_N)[rows] = _by_panel(scale)
    return PackedWeight(Format.INT8, n, k, data.flatten(), scale_N, bias_N=_pad_bias(bias_N))


def pack_int4(weight_NK: Tensor, bias_N: Tensor | None = None, group: int = 32) -> PackedWeight:
    """Symmetric groups with codes -8..7: of several scales for each group, the one with the least squared error."""
    k = weight_NK.shape[1]
    codes, scales = [], []
    for _, values in _slices(weight_NK, group):
        code_NK, scale_NG = _round_int4(values.float(), group)
        codes.append(code_NK)
        scales.append(scale_NG)
    n = len(weight_NK)
    return pack_codes4(torch.cat(codes)[:n, :k], torch.cat(scales)[:n], group=group, zero=8, bias_N=bias_N)


def pack_codes4(
    codes_NK: Tensor,
    scale_NG: Tensor,
    *,
    group: int,
    min_NG: Tensor | None = None,
    zero: int = 0,
    lut: tuple[int, ...] | None = None,
    bias_N: Tensor | None = None,
) -> PackedWeight:
    """Codes 0..15 as they are: w = scale * (lut[code] - zero) - min, per `group` values of k.

    Scales and minima become float16 beside a power of two for each row, so that only digits beyond the 11th are lost.
    """
    assert group % K_UNIT == 0, f"a group of {group} values; kernels take multiples of {K_UNIT}"
    n, k = codes_NK.shape
    largest_N = scale_NG.float().abs().amax(1)
    if min_NG is not None:
        largest_N = torch.maximum(largest_N, min_NG.float().abs().amax(1))
    row_scale_N = torch.where(largest_N > 0, torch.exp2(torch.frexp(largest_N).exponent.float() - 1), 1.0)
    data = torch.empty(_round_up(n, PANEL) // PANEL, _round_up(k, group) * PANEL // 2, dtype=torch.uint8)
    values_of = lut or tuple(range(16))
    padding = values_of.index(zero) if zero in values_of else 0
    for rows, values in _slices(codes_NK, group, padding):
        data[rows] = _pack_nibbles(values).flatten(1)
    return PackedWeight(
        Format.INT4,
        n,
        k,
        data.flatten(),
        pad(row_scale_N, (0, -n % PANEL)),
        group,
        _pack_groups(scale_NG, row_scale_N),
        None if min_NG is None else _pack_groups(min_NG, row_scale_N),
        zero,
        lut,
        _pad_bias(bias_N),
    )


def _round_int4(values_NK: Tensor, group: int) -> tuple[Tensor, Tensor]:
    """Codes 0..15 (zero is 8) and scales. As in llama.cpp's `make_qx_quants`: divisors around the one that maps the
    largest value to -8 are tried; for the codes of each, the best scale is the projection <w, q> / <q, q>."""
    w_NGg = unflatten(values_NK, 1, (-1, group))
    extreme_NG1 = w_NGg.gather(2, w_NGg.abs().argmax(2, keepdim=True))
    unit_NGg = w_NGg / torch.where(extreme_NG1 == 0, 1.0, extreme_NG1)
    best_gain_NG, best_scale_NG, best_steps_NG = (torch.zeros_like(extreme_NG1[..., 0]) for _ in range(3))
    q_NGg, product_NGg = torch.empty_like(w_NGg), torch.empty_like(w_NGg)
    for steps in (-8.0, -7.0, -7.2, -7.4, -7.6, -7.8, -8.3, -8.6, -9.0):
        torch.mul(unit_NGg, steps, out=q_NGg).round_().clamp_(-8, 7)
        dot_NG = torch.mul(w_NGg, q_NGg, out=product_NGg).sum(2)
        scale_NG = dot_NG / torch.mul(q_NGg, q_NGg, out=product_NGg).sum(2).clamp_min(1)
        gain_NG = dot_NG * scale_NG  # by how much the squared error is below that of all zeros
        is_better = gain_NG > best_gain_NG
        best_gain_NG = torch.where(is_better, gain_NG, best_gain_NG)
        best_scale_NG = torch.where(is_better, scale_NG, best_scale_NG)
        best_steps_NG = torch.where(is_better, steps, best_steps_NG)
    torch.mul(unit_NGg, best_steps_NG[..., None], out=q_NGg).round_().clamp_(-8, 7)
    best_scale_NG[~extreme_NG1[..., 0].isfinite()] = torch.nan  # zeros would hide that the weights are broken
    return (q_NGg.nan_to_num_(0) + 8).to(torch.uint8).flatten(1), best_scale_NG


def _pack_nibbles(codes_NK: Tensor) -> Tensor:
    """uint8 [P, K/32, 4, 16, 4]."""
    low, high = unflatten(codes_NK, 1, (-1, 2, 4, 4)).unbind(2)
    return _by_panel(low | high << 4).permute(0, 2, 3, 1, 4)


def _pack_groups(values_NG: Tensor, row_scale_N: Tensor) -> Tensor:
    """float16 [P, G, 16], relative to the row's scale."""
    scaled = pad(values_NG.float() / row_scale_N[:, None], (0, 0, 0, -len(values_NG) % PANEL))
    return _by_panel(scaled.half()).transpose(1, 2).contiguous()


def _unpack_f32(weight: PackedWeight, panels: slice) -> Tensor:
    return _panels(weight, panels, torch.float32, (-1, PANEL)).transpose(1, 2).flatten(0, 1)


def _unpack_bf16(weight: PackedWeight, panels: slice) -> Tensor:
    return _panels(weight, panels, torch.bfloat16, (-1, PANEL, 2)).transpose(1, 2).flatten(2).flatten(0, 1).float()


def _unpack_int8(weight: PackedWeight, panels: slice) -> Tensor:
    codes_PNK = _panels(weight, panels, torch.uint8, (-1, PANEL, 4)).transpose(1, 2).flatten(2).float() - 128
    assert weight.scale_N is not None
    return (codes_PNK * weight.scale_N.view(-1, PANEL, 1)[panels]).flatten(0, 1)


def _unpack_int4(weight: PackedWeight, panels: slice) -> Tensor:
    both = _panels(weight, panels, torch.uint8, (-1, 4, PANEL, 4)).permute(0, 3, 1, 2, 4)
    codes_PNK = torch.stack((both & 15, both >> 4), 3).flatten(2)
    values_PNK = codes_PNK if weight.lut is None else torch.tensor(weight.lut)[codes_PNK.int()]
    assert weight.scale_N is not None
    assert weight.group_scale is not None
    w_PNGg = unflatten(values_PNK.float() - weight.zero, 2, (-1, weight.group))
    w_PNGg *= weight.group_scale[panels].transpose(1, 2)[..., None]
    if weight.group_min is not None:
        w_PNGg -= weight.group_min[panels].transpose(1, 2)[..., None]
    return (w_PNGg.flatten(2) * weight.scale_N.view(-1, PANEL, 1)[panels]).flatten(0, 1)


_UNPACK = {
    Format.F32: _unpack_f32,
    Format.BF16: _unpack_bf16,
    Format.INT8: _unpack_int8,
    Format.INT4: _unpack_int4,
}


def _panels(weight: PackedWeight, panels: slice, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    """[panels, *shape], a view of the data."""
    return unflatten(weight.data.view(weight.padded_n // PANEL, -1)[panels].view(dtype), 1, shape)


def _empty(n: int, k: int, bytes_each: int) -> Tensor:
    """uint8 [P, bytes of a panel]."""
    return torch.empty(_round_up(n, PANEL) // PANEL, _round_up(k, K_UNIT) * PANEL * bytes_each, dtype=torch.uint8)


def _slices(values_NK: Tensor, unit: int = K_UNIT, fill: float = 0) -> Iterator[tuple[slice, Tensor]]:
    """Some panels, and their rows padded on both sides: rows to a whole panel, columns to a multiple of `unit`."""
    for start in range(0, len(values_NK), _SLICE):
        part = values_NK[start : start + _SLICE]
        yield (
            slice(start // PANEL, (start + _SLICE) // PANEL),
            pad(part, (0, -part.shape[1] % unit, 0, -len(part) % PANEL), value=fill),
        )


def _by_panel(rows: Tensor) -> Tensor:
    """[P, 16, ...]"""
    return unflatten(rows, 0, (-1, PANEL))


def _bytes(panels: Tensor) -> Tensor:
    """uint8 [panels, bytes of each]."""
    return panels.flatten(1).view(torch.uint8)


def _pad_bias(bias_N: Tensor | None) -> Tensor | None:
    return None if bias_N is None else pad(bias_N.float(), (0, -len(bias_N) % PANEL))


def _round_up(size: int, unit: int) -> int:
    return -(-size // unit) * unit

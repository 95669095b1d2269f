"""Packed weights in PyTorch: what runs int8 and int4 where the native kernels are not built.

The arithmetic is that of the kernels. Activations are rounded to int8 row by row; with int8 weights the integer sums
are exact and are scaled once, so that both give the same product, bit for bit. int4 weights become numbers with every
use, some rows at a time, which is slow: `choose_dtype` takes int8 where it can.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from owngpt.kernels.packed import PANEL, Format, PackedWeight
from owngpt.model.packed_model import PackedModel, matrices, vector_names
from owngpt.model.transformer import Transformer
from owngpt.model.weight_source import Codes

_SMALLEST = 1e-35  # a row without a larger value is zero
_SLICE = 256  # rows of int4 that are numbers at a time


class QuantizedLinear(nn.Module):
    """y = x w.T + bias, with int8 codes for w, one scale per row."""

    codes_NK: Tensor
    scale_N: Tensor
    bias_N: Tensor | None

    def __init__(self, codes_NK: Tensor, scale_N: Tensor, bias_N: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("codes_NK", codes_NK)
        self.register_buffer("scale_N", scale_N)
        self.register_buffer("bias_N", bias_N)

    def forward(self, x_TK: Tensor) -> Tensor:
        q_TK, scale_T1 = quantize_rows(x_TK)
        sums_TN: Tensor = torch._int_mm(q_TK, self.codes_NK.T)
        y_TN = sums_TN.float() * (scale_T1 * self.scale_N)
        return y_TN if self.bias_N is None else y_TN + self.bias_N


class Int4Linear(nn.Module):
    """y = x w.T + bias, with 4-bit codes for w, two in a byte. `codes.codes_NK` is [N, K/2]: value k, then k + K/2."""

    bias_N: Tensor | None

    def __init__(self, codes: Codes, bias_N: Tensor | None) -> None:
        super().__init__()
        low, high = codes.codes_NK.chunk(2, dim=1)
        self.codes = replace(codes, codes_NK=low | high << 4)
        self.register_buffer("bias_N", bias_N)

    def forward(self, x_TK: Tensor) -> Tensor:
        q_TK, scale_T1 = quantize_rows(x_TK)
        padded_TK = F.pad(q_TK.float(), (0, 2 * self.codes.codes_NK.shape[1] - q_TK.shape[1]))
        rows = range(0, len(self.codes.codes_NK), _SLICE)
        sums_TN = torch.cat([padded_TK @ self._numbers(slice(row, row + _SLICE)).T for row in rows], dim=1)
        y_TN = sums_TN * scale_T1
        return y_TN if self.bias_N is None else y_TN + self.bias_N

    def _numbers(self, rows: slice) -> Tensor:
        part = self.codes.part(rows)
        low, high = part.codes_NK & 15, part.codes_NK >> 4
        return replace(part, codes_NK=torch.cat((low, high), dim=1)).dequantize()


class QuantizedEmbedding(nn.Module):
    """Rows of int8 codes, made numbers when they are looked up."""

    codes_NK: Tensor
    scale_N: Tensor

    def __init__(self, codes_NK: Tensor, scale_N: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes_NK", codes_NK)
        self.register_buffer("scale_N", scale_N)

    def forward(self, tokens_T: Tensor) -> Tensor:
        return self.codes_NK[tokens_T].float() * self.scale_N[tokens_T, None]


def quantize_rows(x_TK: Tensor) -> tuple[Tensor, Tensor]:
    """int8 codes, and scale_T1 = max |x| / 127. An infinity or NaN makes the scale and so the whole result NaN."""
    x_TK = x_TK.float()
    largest_T1 = x_TK.abs().amax(1, keepdim=True)
    is_finite_T1, is_zero_T1 = largest_T1.isfinite(), largest_T1 < _SMALLEST
    inverse_T1 = torch.where(is_finite_T1 & ~is_zero_T1, 127 / largest_T1, 0.0)
    codes_TK = (x_TK * inverse_T1).round_().nan_to_num_(0.0).to(torch.int8)
    scale_T1 = torch.where(is_zero_T1, 0.0, largest_T1 / 127)
    return codes_TK, torch.where(is_finite_T1, scale_T1, torch.nan)


def to_transformer(packed: PackedModel) -> Transformer:
    """The same decoder for PyTorch, in inference mode. fp32 and bf16 become plain parameters."""
    config = replace(packed.config, expert_layout="split")  # every expert is a weight by itself
    with torch.device("meta"):
        model = Transformer(config)
    for matrix in matrices(config):
        weight = packed.weights[matrix.name]
        if weight.format in (Format.F32, Format.BF16):
            _fill(model, matrix.parts, weight)
        else:
            _replace(model, matrix.parts, weight)
    if isinstance(model.embed_tokens, QuantizedEmbedding) and config.is_tied:
        model.lm_head = QuantizedLinear(model.embed_tokens.codes_NK, model.embed_tokens.scale_N, None)
    dtype = torch.bfloat16 if packed.weights["embed_tokens"].format == Format.BF16 else torch.float32
    offset = 1.0 if config.is_norm_offset else 0.0
    for name, parameter in vector_names(config).items():
        _assign(model, parameter, (packed.vectors[name] - offset).to(dtype))
    return model.eval().requires_grad_(False)


def int8_codes(weight: PackedWeight) -> Tensor:
    """int8 [n, k]."""
    panels = weight.data.view(weight.padded_n // PANEL, -1, PANEL, 4)
    codes_NK = panels.transpose(1, 2).flatten(2).flatten(0, 1)[: weight.n, : weight.k]
    return (codes_NK ^ 128).view(torch.int8).contiguous()  # the code plus 128, modulo 256


def int4_codes(weight: PackedWeight) -> Codes:
    """The codes and their numbers, over all padded k."""
    panels = weight.data.view(weight.padded_n // PANEL, -1, 4, PANEL, 4)
    halves = torch.stack((panels & 15, panels >> 4), dim=2)  # [P, K/32, 2, 4, 16, 4]
    assert weight.scale_N is not None
    assert weight.group_scale is not None
    return Codes(
        halves.permute(0, 4, 1, 2, 3, 5).flatten(2).flatten(0, 1)[: weight.n],
        _groups(weight, weight.group_scale),
        None if weight.group_min is None else _groups(weight, weight.group_min),
        weight.zero,
        weight.lut,
    )


def _groups(weight: PackedWeight, values: Tensor) -> Tensor:
    """float16 [P, G, 16] -> float32 [n, G], the rows' scales multiplied in."""
    assert weight.scale_N is not None
    return values.transpose(1, 2).flatten(0, 1)[: weight.n].float() * weight.scale_N[: weight.n, None]


def _shares(model: Transformer, parts: Sequence[str]) -> Iterator[tuple[str, slice]]:
    """Each module, and which rows of the packed weight are its own."""
    start = 0
    for part in parts:
        size = model.get_parameter(f"{part}.weight").shape[0]
        yield part, slice(start, start + size)
        start += size


def _fill(model: Transformer, parts: Sequence[str], weight: PackedWeight) -> None:
    """Plain parameters."""
    dtype = torch.bfloat16 if weight.format == Format.BF16 else torch.float32
    w_NK = weight.dequantize().to(dtype)
    for part, rows in _shares(model, parts):
        _assign(model, f"{part}.weight", w_NK[rows])
        if weight.bias_N is not None:
            _assign(model, f"{part}.bias", weight.bias_N[rows].to(dtype))


def _replace(model: Transformer, parts: Sequence[str], weight: PackedWeight) -> None:
    """Modules that compute with the codes."""
    bias_N = weight.bias_N
    if weight.format == Format.INT4:
        codes = int4_codes(weight)
        for part, rows in list(_shares(model, parts)):
            model.set_submodule(part, Int4Linear(codes.part(rows), None if bias_N is None else bias_N[rows]))
        return
    assert weight.scale_N is not None
    codes_NK = int8_codes(weight)
    for part, rows in list(_shares(model, parts)):
        numbers = codes_NK[rows], weight.scale_N[: weight.n][rows]
        if part == "embed_tokens":
            model.set_submodule(part, QuantizedEmbedding(*numbers))
        else:
            model.set_submodule(part, QuantizedLinear(*numbers, None if bias_N is None else bias_N[rows]))


def _assign(model: Transformer, name: str, value: Tensor) -> None:
    owner_name, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(owner_name), leaf, nn.Parameter(value, requires_grad=False))

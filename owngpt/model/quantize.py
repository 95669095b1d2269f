"""Which number format a matrix gets, and how what a source reads is packed into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor

from owngpt.kernels.packed import Format, PackedWeight, pack_bf16, pack_codes4, pack_f32, pack_int4, pack_int8
from owngpt.model.weight_source import Codes, Rows, Stacked

_FORMATS = {"fp32": Format.F32, "bf16": Format.BF16, "int8": Format.INT8, "int4": Format.INT4}
_AT_LEAST_INT8 = ("embed_tokens", "lm_head")  # every token depends on all of their digits


def choose_format(name: str, dtype: str, parts: Sequence[Rows | Codes], *, has_codes: bool = False) -> Format:
    """The format of the matrix `name` (as in `PackedModel`) when the model is asked for in `dtype`.

    A source that `has_codes` keeps its makers' choice: int4 is for what they made 4-bit codes. Where their choice
    differs within what becomes one matrix, int8 keeps the finer part.
    """
    if name.endswith(".router"):
        return Format.F32
    if dtype == "int8" and _are_codes(parts) and parts[0].lut is not None:
        return Format.INT4  # 4-bit floats: one scale for a whole row would be coarser
    if dtype == "int4" and (name in _AT_LEAST_INT8 or (has_codes and not _are_codes(parts))):
        return Format.INT8
    return _FORMATS[dtype]


def pack(parts: Sequence[Rows | Codes], form: Format, bias_N: Tensor | None = None) -> PackedWeight:
    """The rows of all parts as one weight. In int4 codes stay the same codes; elsewhere they become numbers."""
    if form == Format.INT4 and _are_codes(parts):
        return _pack_codes(parts, bias_N)
    return _PACK[form](parts[0] if len(parts) == 1 else Stacked(parts), bias_N)


_PACK: Mapping[Format, Callable[[Any, Tensor | None], PackedWeight]] = {
    Format.F32: pack_f32,
    Format.BF16: pack_bf16,
    Format.INT8: pack_int8,
    Format.INT4: pack_int4,
}


def _pack_codes(parts: Sequence[Codes], bias_N: Tensor | None) -> PackedWeight:
    minima = [torch.zeros_like(part.scale_NG) if part.minimum_NG is None else part.minimum_NG for part in parts]
    return pack_codes4(
        torch.cat([part.codes_NK for part in parts]),
        torch.cat([part.scale_NG for part in parts]),
        group=parts[0].group,
        min_NG=torch.cat(minima) if any(part.minimum_NG is not None for part in parts) else None,
        zero=parts[0].zero,
        lut=parts[0].lut,
        bias_N=bias_N,
    )


def _are_codes(parts: Sequence[Rows | Codes]) -> TypeGuard[Sequence[Codes]]:
    """Whether all parts are codes of one kind."""
    kinds = {(part.group, part.zero, part.lut) if isinstance(part, Codes) else None for part in parts}
    return len(kinds) == 1 and None not in kinds

"""The structures of csrc/abi.h and csrc/kernels.h, as ctypes sees them. Field for field the same, in the same order."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_uint8, c_void_p

from torch import Tensor

from owngpt.kernels.packed import PackedWeight


class Weight(ctypes.Structure):
    """A packed matrix. It points into tensors: `weight_of` keeps them alive with it."""

    _fields_ = (
        ("format", c_int32),
        ("group", c_int32),
        ("n", c_int64),
        ("k", c_int64),
        ("data", c_void_p),
        ("scale", c_void_p),
        ("group_scale", c_void_p),
        ("group_min", c_void_p),
        ("bias", c_void_p),
        ("zero", c_int32),
        ("lut", c_uint8 * 16),
        ("has_lut", c_int32),
    )


PRODUCT = ctypes.CFUNCTYPE(None, POINTER(Weight), c_void_p, c_int64, c_int64, c_void_p, c_int32)
EMBED_ROW = ctypes.CFUNCTYPE(None, POINTER(Weight), c_int64, c_void_p)
SCRATCH_BYTES = ctypes.CFUNCTYPE(c_int64, c_void_p, c_int64)
FORWARD = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
LOGITS = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_int32)


class Kernels(ctypes.Structure):
    """What one instruction set offers."""

    _fields_ = (
        ("isa", c_char_p),
        ("product", PRODUCT),
        ("embed_row", EMBED_ROW),
        ("scratch_bytes", SCRATCH_BYTES),
        ("forward", FORWARD),
        ("logits", LOGITS),
    )


def weight_of(weight: PackedWeight) -> Weight:
    """The structure that points at a packed weight's tensors and keeps them alive."""
    data = weight.data if weight.data.data_ptr() % 64 == 0 else weight.data.clone()
    tensors = (data, weight.scale_N, weight.group_scale, weight.group_min, weight.bias_N)
    structure = Weight(
        weight.format,
        weight.group,
        weight.padded_n,
        weight.padded_k,
        *(pointer(tensor) for tensor in tensors),
        weight.zero,
        (c_uint8 * 16)(*(weight.lut or ())),
        weight.lut is not None,
    )
    structure.tensors = tensors
    return structure


def pointer(tensor: Tensor | None) -> int | None:
    """The address of a contiguous tensor in main memory; None for none."""
    if tensor is None:
        return None
    assert tensor.is_contiguous()
    assert tensor.device.type == "cpu"
    return tensor.data_ptr()

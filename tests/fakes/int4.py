"""GPTQ and AWQ folders, packed word by word as the loops of AutoGPTQ and AutoAWQ do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

Array = NDArray[Any]
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


class Rounded(NamedTuple):
    """A matrix as integers: w[n, k] = scale[g] * (code - zero[g]), g = groups[k]."""

    codes_NK: Array
    scale_NG: Array
    zero_NG: Array
    groups_K: Array

    @property
    def numbers(self) -> Tensor:
        difference = self.codes_NK - self.zero_NG[:, self.groups_K]
        return torch.from_numpy((difference * self.scale_NG[:, self.groups_K].astype(np.float32)).astype(np.float32))


def gptq_checkpoint(
    source: Path, into: Path, group: int = 32, *, sym: bool = True, act_order: bool = False, layout: str = "gptq"
) -> Path:
    """-> The folder of a plain checkpoint with the same numbers, beside `into`. `group` -1 is a whole row."""
    config = {"quant_method": "gptq", "bits": 4, "group_size": group, "sym": sym, "desc_act": act_order}
    return _write(source, into, {**config, "checkpoint_format": layout}, sym=sym, act_order=act_order)


def awq_checkpoint(source: Path, into: Path, group: int = 32) -> Path:
    """As `gptq_checkpoint`."""
    config = {"quant_method": "awq", "bits": 4, "group_size": group, "zero_point": True, "version": "gemm"}
    return _write(source, into, config, sym=False, act_order=False)


def _write(source: Path, into: Path, quantization: Mapping[str, Any], *, sym: bool, act_order: bool) -> Path:
    tensors, plain = {}, {}
    for name, tensor in load_file(source / "model.safetensors").items():
        module = name.removesuffix(".weight")
        if not module.endswith(PROJECTIONS) or name.endswith(".bias"):
            tensors[name] = plain[name] = tensor
            continue
        rounded = _round(tensor.float().numpy(), quantization["group_size"], sym, act_order)
        plain[name] = rounded.numbers
        pack = pack_awq if quantization["quant_method"] == "awq" else pack_gptq
        is_less_one = quantization.get("checkpoint_format") == "gptq"
        for part, value in pack(rounded, is_less_one).items():
            tensors[f"{module}.{part}"] = torch.from_numpy(value)
        if quantization["quant_method"] == "gptq":
            tensors.setdefault(f"{module}.bias", torch.zeros(len(tensor)))
    _save(source, into, tensors, {"quantization_config": dict(quantization)})
    return _save(source, into.with_name(f"{into.name}-numbers"), plain, {})


def _round(weight: Array, group: int, sym: bool, act_order: bool) -> Rounded:
    n, k = weight.shape
    size = k if group == -1 else group
    groups = np.arange(k) // size
    if act_order:
        groups = np.random.default_rng(k).permutation(groups)
    scale = np.zeros((n, k // size), np.float16)
    zero = np.full((n, k // size), 8, np.int32)
    codes = np.zeros((n, k), np.int32)
    for g in range(k // size):
        members = weight[:, groups == g]
        low, high = np.minimum(members.min(1), 0), np.maximum(members.max(1), 0)
        span = 2 * np.maximum(-low, high) if sym else high - low
        scale[:, g] = span / 15
        if not sym:
            zero[:, g] = np.clip(np.round(-low / scale[:, g].astype(np.float32)), 0, 15)
        factor = scale[:, g].astype(np.float32)[:, None]
        codes[:, groups == g] = np.clip(np.round(members / factor) + zero[:, g][:, None], 0, 15)
    return Rounded(codes, scale, zero, groups)


def pack_gptq(rounded: Rounded, is_zero_less_one: bool = True) -> dict[str, Array]:
    codes_KN, zeros_GN = rounded.codes_NK.T.astype(np.uint32), rounded.zero_NG.T.astype(np.uint32)
    if is_zero_less_one:
        zeros_GN = (zeros_GN - 1) & 15
    qweight = np.zeros((codes_KN.shape[0] // 8, codes_KN.shape[1]), np.uint32)
    for row in range(len(qweight)):
        for place in range(8):
            qweight[row] |= codes_KN[8 * row + place] << (4 * place)
    qzeros = np.zeros((zeros_GN.shape[0], zeros_GN.shape[1] // 8), np.uint32)
    for column in range(qzeros.shape[1]):
        for place in range(8):
            qzeros[:, column] |= zeros_GN[:, 8 * column + place] << (4 * place)
    return {
        "qweight": qweight.view(np.int32),
        "qzeros": qzeros.view(np.int32),
        "scales": np.ascontiguousarray(rounded.scale_NG.T),
        "g_idx": rounded.groups_K.astype(np.int32),
    }


def pack_awq(rounded: Rounded, _: bool = False) -> dict[str, Array]:
    def columns(values: Array) -> Array:
        packed = np.zeros((values.shape[0], values.shape[1] // 8), np.uint32)
        for column in range(packed.shape[1]):
            for place, output in enumerate(_AWQ_ORDER):
                packed[:, column] |= values[:, 8 * column + output].astype(np.uint32) << (4 * place)
        return packed.view(np.int32)

    scales = np.ascontiguousarray(rounded.scale_NG.T)
    return {"qweight": columns(rounded.codes_NK.T), "qzeros": columns(rounded.zero_NG.T), "scales": scales}


def _save(source: Path, into: Path, tensors: Mapping[str, Tensor], changes: Mapping[str, Any]) -> Path:
    into.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (source / name).exists():
            shutil.copy(source / name, into / name)
    config = json.loads((source / "config.json").read_text())
    (into / "config.json").write_text(json.dumps({**config, **changes}))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, into / "model.safetensors")
    return into

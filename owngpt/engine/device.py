"""Which processor a model is computed on."""

from __future__ import annotations

from typing import NamedTuple

import torch

from owngpt.errors import ConfigError

_CPU_ONLY = ("int8", "int4")  # packed weights, which the native kernels compute with


class DeviceChoice(NamedTuple):
    """`cpu` or `cuda`, and what speaks for it."""

    device: str
    reason: str


def device_here(asked: str, dtype: str) -> DeviceChoice:
    """`choose_device` with the GPU that PyTorch finds, if it finds one."""
    return choose_device(asked, dtype, torch.cuda.get_device_name() if torch.cuda.is_available() else None)


def choose_device(asked: str, dtype: str, gpu: str | None) -> DeviceChoice:
    """What `asked` for, or with auto a GPU where there is one. `gpu` is its name; `dtype` is that of the settings.

    Raises `ConfigError` when the GPU that is asked for is not there, or does not compute with this dtype.
    """
    if asked == "cpu":
        return DeviceChoice("cpu", "as asked for")
    if asked == "auto" and dtype in _CPU_ONLY:
        return DeviceChoice("cpu", f"which is where {dtype} is computed")
    if asked == "auto" and gpu is None:
        return DeviceChoice("cpu", "as PyTorch finds no GPU")
    if dtype in _CPU_ONLY:
        raise ConfigError(f"dtype {dtype} is not computed on a GPU; with device cuda take bf16 or fp32, or device cpu")
    if gpu is None:
        raise ConfigError(f"device is cuda, and PyTorch {torch.__version__} finds no GPU; take a build of it for CUDA")
    return DeviceChoice("cuda", gpu if asked == "auto" else f"as asked for: {gpu}")

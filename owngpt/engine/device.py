"""Which processor a model is computed on."""

from __future__ import annotations

import torch

from owngpt.errors import ConfigError

_CPU_ONLY = ("int8", "int4")  # packed weights, which the native kernels compute with


def check_device(device: str, dtype: str) -> None:
    """Raise `ConfigError` when the GPU that is asked for is not there, or does not compute with this dtype."""
    if device == "cpu":
        return
    if dtype in _CPU_ONLY:
        raise ConfigError(f"dtype {dtype} is not computed on a GPU; with device cuda take bf16 or fp32, or device cpu")
    if not torch.cuda.is_available():
        raise ConfigError(f"device is cuda, and PyTorch {torch.__version__} finds no GPU; take a build of it for CUDA")

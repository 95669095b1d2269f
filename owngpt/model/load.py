"""The decoder of a folder, for whatever computes here: packed for the native kernels, or for PyTorch, CPU or GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from owngpt.errors import CheckpointError
from owngpt.kernels import library
from owngpt.model.packed_model import PackedModel, load_packed, pack_in_memory
from owngpt.model.quantized import to_transformer
from owngpt.model.sources import by_expert, is_plain
from owngpt.model.transformer import Transformer
from owngpt.model.weights import DTYPES, Progress, load_model


class ModuleWeights:
    """The parameters of a decoder in memory as a `WeightSource`."""

    def __init__(self, model: Transformer) -> None:
        self.config = model.config
        self.dtype = next(name for name, dtype in DTYPES.items() if dtype is model.dtype)
        self._parameters = dict(model.named_parameters())

    @property
    def num_bytes(self) -> int:
        """See `WeightSource`."""
        return sum(map(self.size, self._parameters))

    def size(self, name: str) -> int:
        """See `WeightSource`."""
        return self._parameters[name].nbytes

    def read(self, name: str) -> Tensor:
        """See `WeightSource`."""
        return self._parameters[name].data


def load_decoder(
    folder: Path,
    dtype: str,
    *,
    device: str = "cpu",
    random_weights: bool = False,
    cache_dir: Path | None = None,
    content: Callable[[], str] | None = None,
    progress: Progress | None = None,
) -> PackedModel | Transformer:
    """In the format `dtype`: fp32, bf16, or on a CPU int8, int4. The rest is as for `load_model` and `load_packed`."""
    if device != "cpu":
        return _load_on(device, folder, dtype, random_weights, progress)
    has_kernels = library.chosen() is not None
    if dtype in DTYPES and not has_kernels and is_plain(folder):
        return load_model(folder, dtype, random_weights=random_weights, progress=progress)
    if random_weights:
        packed = pack_in_memory(by_expert(ModuleWeights(load_model(folder, random_weights=True))), dtype, progress)
    else:
        packed = load_packed(folder, dtype, cache_dir=cache_dir, content=content, progress=progress)
    return packed if has_kernels else to_transformer(packed)


def _load_on(device: str, folder: Path, dtype: str, random_weights: bool, progress: Progress | None) -> Transformer:
    """For PyTorch on a GPU. `CheckpointError` where its memory is too small."""
    assert dtype in DTYPES, f"{dtype} is computed on a CPU"
    try:
        if random_weights or is_plain(folder):
            return load_model(folder, dtype, device=device, random_weights=random_weights, progress=progress)
        return to_transformer(load_packed(folder, dtype, cache_dir=None, progress=progress)).to(device)
    except torch.OutOfMemoryError as error:
        raise CheckpointError(f"{folder} in {dtype} does not fit into the GPU; set device to cpu") from error

"""The decoder of a folder, for whatever computes here: packed where there are native kernels, else for PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

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
    random_weights: bool = False,
    cache_dir: Path | None = None,
    content: Callable[[], str] | None = None,
    progress: Progress | None = None,
) -> PackedModel | Transformer:
    """In the format `dtype`: fp32, bf16, int8 or int4. The rest is as for `load_model` and `load_packed`."""
    has_kernels = library.chosen() is not None
    if dtype in DTYPES and not has_kernels and is_plain(folder):
        return load_model(folder, dtype, random_weights=random_weights, progress=progress)
    if random_weights:
        packed = pack_in_memory(by_expert(ModuleWeights(load_model(folder, random_weights=True))), dtype, progress)
    else:
        packed = load_packed(folder, dtype, cache_dir=cache_dir, content=content, progress=progress)
    return packed if has_kernels else to_transformer(packed)

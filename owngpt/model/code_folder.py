"""A folder in the Hugging Face layout whose matrices are 4-bit codes, packed by GPTQ or AWQ."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from owngpt.errors import CheckpointError
from owngpt.kernels.packed import K_UNIT
from owngpt.model import awq, gptq
from owngpt.model.config import ModelConfig
from owngpt.model.quantization import Quantization
from owngpt.model.transformer import Transformer
from owngpt.model.weight_source import Codes
from owngpt.model.weights import StoredTensor, TensorReader, find_tensor, naming, read_index

_NEEDED = ("qweight", "qzeros", "scales")
_DTYPES = {"scales": torch.float32, **dict.fromkeys(("qweight", "qzeros", "g_idx"), torch.int32)}
_WORD = 8  # codes of an int32


class CodeFolder:
    """A `WeightSource`. What its maker left as numbers, such as the head, is read as numbers."""

    dtype = "int4"

    def __init__(self, folder: Path, config: ModelConfig, quantization: Quantization) -> None:
        """Reads the headers only. `CheckpointError` names the first tensor that is missing or misshapen."""
        self.config = config
        self._quantization = quantization
        self._reader = TensorReader()
        self._stored = read_index(folder)
        self._stored_name = naming(self._stored, folder)
        with torch.device("meta"):
            shapes = {name: tuple(value.shape) for name, value in Transformer(config).named_parameters()}
        self._found = {name: self._find(folder, name, shape) for name, shape in shapes.items()}
        self._refuse_extra()

    @property
    def num_bytes(self) -> int:
        """See `WeightSource`."""
        return sum(map(self.size, self._found))

    def size(self, name: str) -> int:
        """See `WeightSource`."""
        return sum(tensor.num_bytes for tensor in self._found[name].values())

    def read(self, name: str) -> Tensor | Codes:
        """See `WeightSource`."""
        parts = {part: self._reader.read(tensor) for part, tensor in self._found[name].items()}
        if "qweight" not in parts:
            return parts["weight"]
        qweight, qzeros, scales = (parts[part] for part in _NEEDED)
        if self._quantization.method == "awq":
            return awq.unpack(qweight, qzeros, scales)
        groups = parts.get("g_idx")
        if groups is not None and (groups.min() < 0 or groups.max() >= len(scales)):
            tensor = self._found[name]["g_idx"]
            raise CheckpointError(
                f"{tensor.file}: tensor {tensor.name} names groups that are not 0 to {len(scales) - 1}"
            )
        return gptq.unpack(qweight, qzeros, scales, groups, plus_one=self._quantization.is_zero_plus_one)

    def _find(self, folder: Path, name: str, shape: tuple[int, ...]) -> dict[str, StoredTensor]:
        """The tensors of a parameter: `weight` alone, or those of a packed matrix."""
        module = self._stored_name(name).removesuffix(".weight")
        if f"{module}.qweight" not in self._stored or len(shape) != 2:
            return {"weight": find_tensor(self._stored, self._stored_name(name), shape, folder)}
        n, k = shape
        group = self._quantization.group or k
        if n % _WORD or k % group or group % K_UNIT:
            raise CheckpointError(
                f"{folder}: {module} has {n} outputs and {k} inputs, which are no whole words of {_WORD} codes and "
                f"groups of {group}; take the bf16 checkpoint"
            )
        return {
            part: find_tensor(self._stored, f"{module}.{part}", size, folder, _DTYPES[part])
            for part, size in self._shapes(n, k).items()
            if part in _NEEDED or f"{module}.{part}" in self._stored
        }

    def _refuse_extra(self) -> None:
        """AutoGPTQ gives every matrix a bias; where the model has none it must be zero."""
        used = {tensor.name for parts in self._found.values() for tensor in parts.values()}
        for name, tensor in self._stored.items():
            is_extra = name.startswith(self._stored_name("layers.")) and name not in used
            if is_extra and not (name.endswith(".bias") and not self._reader.read(tensor).any()):
                raise CheckpointError(
                    f"{tensor.file}: tensor {name} has no place in {self.config.architecture} "
                    f"with {self.config.num_layers} layers, as config.json describes it"
                )

    def _shapes(self, n: int, k: int) -> dict[str, tuple[int, ...]]:
        groups = k // (self._quantization.group or k)
        shapes = {"qzeros": (groups, n // _WORD), "scales": (groups, n)}
        if self._quantization.method == "awq":
            return {"qweight": (k, n // _WORD), **shapes}
        return {"qweight": (k // _WORD, n), **shapes, "g_idx": (k,)}

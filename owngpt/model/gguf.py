"""GGUF weights: the tensors of a llama.cpp file under the decoder's own parameter names.

What differs from a Hugging Face checkpoint, by llama.cpp's conversion: names; the rows of q and k of the Llama kind,
whose rotated pairs stand side by side; Gemma's norms, which have their 1 already.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, unflatten

from owngpt.errors import CheckpointError
from owngpt.model.config import ModelConfig
from owngpt.model.gguf_blocks import FORMATS, UNSUPPORTED, BlockFormat
from owngpt.model.gguf_file import GGUFFile, GGUFTensor
from owngpt.model.transformer import Transformer
from owngpt.model.weight_source import Codes, Rows

_OUTSIDE = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}
_IN_LAYER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate": "ffn_gate_inp",
    "self_attn": "attn_sinks",  # its parameter is `sinks`
}
_OTHER_NAMES = {"gpt-oss": {"post_attention_layernorm": "post_attention_norm"}}
_EXPERT = re.compile(r"layers\.(\d+)\.mlp\.experts\.(\d+)\.(gate|up|down)_proj\.(weight|bias)")
_WITH_POST_NORMS = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
_INTERLEAVED = ("llama", "smollm3")  # architectures whose q and k rows llama.cpp's conversion has put in another order


@dataclass(frozen=True, slots=True)
class BlockRows:
    """A matrix in one of ggml's formats; `order` says which row of the file is row 0, 1, ..."""

    content: Tensor  # uint8 [N, bytes of a row]
    form: BlockFormat
    order: Tensor | None = None  # int64 [N]

    @property
    def shape(self) -> torch.Size:
        """See `Rows`."""
        num_blocks = self.content.shape[1] // self.form.num_bytes
        return torch.Size((self.content.shape[0], num_blocks * self.form.num_values))

    def blocks(self, rows: slice) -> Tensor:
        """uint8 [rows, blocks of a row, bytes of a block]."""
        chosen = self.content[rows] if self.order is None else self.content[self.order[rows]]
        return unflatten(chosen, 1, (-1, self.form.num_bytes))

    def __len__(self) -> int:
        return self.content.shape[0]

    def __getitem__(self, rows: slice) -> Tensor:
        """See `Rows`."""
        return self.form.numbers(self.blocks(rows))


class GGUFWeights:
    """A GGUF file as a `WeightSource`."""

    def __init__(self, path: Path, config: ModelConfig) -> None:
        """Reads the header only. `CheckpointError` names a tensor that is missing, misshapen or of no known format."""
        self.config = replace(config, expert_layout="split")
        self._file = GGUFFile.open(path)
        self._architecture = str(self._file.fields.get("general.architecture"))
        with torch.device("meta"):
            shapes = {name: tuple(value.shape) for name, value in Transformer(self.config).named_parameters()}
        self._found = {name: self._find(name, shape) for name, shape in shapes.items()}
        self._refuse_extra()
        self.dtype = _dtype({tensor.kind for tensor in self._found.values() if len(tensor.shape) > 1})

    @property
    def num_bytes(self) -> int:
        """See `WeightSource`."""
        return sum(map(self.size, self._found))

    def size(self, name: str) -> int:
        """See `WeightSource`."""
        return _num_bytes(self._found[name])

    def read(self, name: str) -> Rows | Codes:
        """See `WeightSource`."""
        tensor = self._found[name]
        size, form = _num_bytes(tensor), FORMATS[tensor.kind]
        content = torch.frombuffer(self._file.content, dtype=torch.uint8, count=size, offset=tensor.start)
        if len(tensor.shape) == 1:
            return self._vector(name, form.numbers(content.view(1, -1, form.num_bytes))[0])
        order = self._order(name, tensor.shape[0])
        rows = BlockRows(content.view(tensor.shape[0], -1), form, order)
        return rows if form.codes is None else form.codes(rows.blocks(slice(None)))

    def _vector(self, name: str, values: Tensor) -> Tensor:
        if self.config.is_norm_offset and "norm" in name:
            return values - 1.0
        order = self._order(name, len(values))
        return values if order is None else values[order]

    def _order(self, name: str, num_rows: int) -> Tensor | None:
        """Of q and k, where the two halves of a head are interleaved."""
        if self._architecture not in _INTERLEAVED or (".q_proj." not in name and ".k_proj." not in name):
            return None
        return torch.arange(num_rows).view(-1, self.config.head_dim // 2, 2).transpose(1, 2).flatten()

    def _find(self, name: str, shape: tuple[int, ...]) -> GGUFTensor:
        found = _EXPERT.fullmatch(name)
        if found is None:
            return self._checked(self._stored_name(name), shape)
        layer, expert, projection, leaf = found.groups()
        all_of_them = self._checked(f"blk.{layer}.ffn_{projection}_exps.{leaf}", (self.config.num_experts, *shape))
        tensor = all_of_them._replace(shape=shape)
        return tensor._replace(start=tensor.start + int(expert) * _num_bytes(tensor))

    def _checked(self, stored_name: str, shape: tuple[int, ...]) -> GGUFTensor:
        path, tensor = self._file.path, self._file.tensors.get(stored_name)
        if tensor is None:
            raise CheckpointError(f"{path}: tensor {stored_name} is missing")
        if tensor.shape != shape:
            raise CheckpointError(
                f"{path}: tensor {stored_name} has shape {list(tensor.shape)}; its metadata asks for {list(shape)}"
            )
        if tensor.kind not in FORMATS:
            kind = UNSUPPORTED.get(tensor.kind, f"number {tensor.kind}")
            known = ", ".join(form.name for form in FORMATS.values())
            raise CheckpointError(f"{path}: tensor {stored_name} has the format {kind}; take a file in one of {known}")
        if tensor.shape[-1] % FORMATS[tensor.kind].num_values:
            raise CheckpointError(f"{path}: tensor {stored_name} has rows of {tensor.shape[-1]}, not whole blocks")
        if tensor.start + _num_bytes(tensor) > len(self._file.content):
            raise CheckpointError(f"{path}: tensor {stored_name} goes beyond the end of the file; fetch it again")
        return tensor

    def _stored_name(self, name: str) -> str:
        module, _, leaf = name.rpartition(".")
        if not module.startswith("layers."):
            return f"{_OUTSIDE[module]}.{leaf}"
        others = _WITH_POST_NORMS if self.config.has_post_norms else _OTHER_NAMES.get(self._architecture, {})
        _, index, part = module.split(".", 2)
        return f"blk.{index}.{({**_IN_LAYER, **others})[part]}.{leaf.replace('sinks', 'weight')}"

    def _refuse_extra(self) -> None:
        used = {tensor.name for tensor in self._found.values()}
        for name in self._file.tensors:
            if name.startswith("blk.") and name not in used:
                raise CheckpointError(
                    f"{self._file.path}: tensor {name} has no place in {self.config.architecture} "
                    f"with {self.config.num_layers} layers, as its metadata describes it"
                )


def _dtype(kinds: set[int]) -> str:
    """What a file with matrices of these formats is."""
    forms = [FORMATS[kind] for kind in kinds]
    if any(form.codes for form in forms):
        return "int4"
    if any(form.num_values > 1 for form in forms):
        return "int8"
    return "bf16" if any(form.name == "BF16" for form in forms) else "fp32"


def _num_bytes(tensor: GGUFTensor) -> int:
    form = FORMATS[tensor.kind]
    return torch.Size(tensor.shape).numel() // form.num_values * form.num_bytes

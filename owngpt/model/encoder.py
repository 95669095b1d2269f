"""Encoder: the BERT family (MiniLM, E5, BGE) and XLM-RoBERTa (multilingual E5), for embeddings.

Post-norm BERT (Devlin et al. 2018); pooled by mean or first token, as sentence-transformers' files in the folder say.

Shapes: B sequences, L padded length, E hidden size, H heads, D head dimension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from owngpt.errors import CheckpointError
from owngpt.model import activations
from owngpt.model.activations import Activation
from owngpt.model.transformer import embedding
from owngpt.model.values import Values, architecture, read_any_json, read_json
from owngpt.model.weights import SMALL_FLOATS, StoredTensor, auto_dtype, fill, find_tensors, read_index

Pooling = Literal["mean", "cls"]
ROWS_AT_A_TIME = 128  # of the MLP

_MODEL_TYPES = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta"}
_PREFIXES = ("", "bert.", "roberta.")
_LEGACY_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """What an encoder is, and how its last hidden states become one vector."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_positions: int
    num_token_types: int
    norm_eps: float
    activation: Activation
    first_position: int  # RoBERTa counts from pad_token_id + 1
    max_length: int  # tokens of one input, special ones included
    pooling: Pooling
    is_normalized: bool

    @classmethod
    def from_folder(cls, folder: Path) -> EncoderConfig:
        """Read config.json and what sentence-transformers put beside it; `CheckpointError` names what it cannot do."""
        values = Values.read(folder / "config.json")
        first_position = _first_position(values)
        num_positions = values.integer("max_position_embeddings", 512)
        modules = _modules(folder)
        return cls(
            vocab_size=values.integer("vocab_size"),
            hidden_size=values.integer("hidden_size"),
            intermediate_size=values.integer("intermediate_size"),
            num_layers=values.integer("num_hidden_layers", maximum=1024),
            num_heads=_num_heads(values),
            num_positions=num_positions,
            num_token_types=values.integer("type_vocab_size", 2),
            norm_eps=values.number("layer_norm_eps", 1e-12),
            activation=values.choice("hidden_act", activations.NAMES, "gelu"),
            first_position=first_position,
            max_length=_max_length(folder, num_positions - first_position),
            pooling=_pooling(folder / modules.get("Pooling", "1_Pooling") / "config.json"),
            is_normalized="Normalize" in modules,
        )


def is_encoder(folder: Path) -> bool:
    """Does this folder hold an encoder (and not a decoder)? False too when there is no readable config.json."""
    try:
        return read_json(folder / "config.json").get("model_type") in _MODEL_TYPES
    except CheckpointError:
        return False


class Encoder(nn.Module):
    """Token ids -> one vector per sequence."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.words = embedding(config.vocab_size, config.hidden_size)
        self.positions = embedding(config.num_positions, config.hidden_size)
        self.token_types = embedding(config.num_token_types, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_layers))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Weights stay mapped (fp16 becomes float32, and float8 what the others are).

        `CheckpointError` names the file or tensor that is wrong.
        """
        config = EncoderConfig.from_folder(folder)
        with torch.device("meta"):
            encoder = cls(config)
        stored = read_index(folder)
        prefix = _prefix(stored, folder)
        found = find_tensors(encoder, stored, lambda name: prefix + stored_name(name), folder, SMALL_FLOATS)
        fill(encoder, found, auto_dtype(found["norm.weight"]))
        return encoder.eval().requires_grad_(False)

    @property
    def dimensions(self) -> int:
        return self.config.hidden_size

    @property
    def max_length(self) -> int:
        """Tokens that one input may have, special ones included."""
        return self.config.max_length

    @torch.inference_mode()
    def encode(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """-> [B, E] float32, pooled, and of unit length where the model's files say so.

        Special tokens are the caller's to add. How sequences are batched does not change their vectors (but for
        rounding).
        """
        assert ids, "nothing to encode"
        assert all(0 < len(sequence) <= self.max_length for sequence in ids), "an input is empty or too long"
        lengths_B = torch.tensor([len(sequence) for sequence in ids])
        ids_BL = nn.utils.rnn.pad_sequence([torch.tensor(sequence) for sequence in ids], batch_first=True)
        mask_BL = torch.arange(ids_BL.shape[1]) < lengths_B[:, None]
        pooled_BE = self.pool(self(ids_BL, mask_BL).float(), mask_BL)
        return F.normalize(pooled_BE, dim=-1) if self.config.is_normalized else pooled_BE

    def forward(self, ids_BL: Tensor, mask_BL: Tensor, types_BL: Tensor | None = None) -> Tensor:
        """-> hidden_BLE. `mask_BL` is true where there is a token and not padding; without types all are of type 0."""
        first, length = self.config.first_position, ids_BL.shape[1]
        types = self.token_types.weight[0] if types_BL is None else self.token_types(types_BL)
        hidden_BLE: Tensor = self.norm(self.words(ids_BL) + (self.positions.weight[first : first + length] + types))
        mask_B11L = None if bool(mask_BL.all()) else mask_BL[:, None, None]
        for layer in self.layers:
            hidden_BLE = layer(hidden_BLE, mask_B11L)
        return hidden_BLE

    def pool(self, hidden_BLE: Tensor, mask_BL: Tensor) -> Tensor:
        """-> [B, E]: one vector of each sequence's hidden states."""
        if self.config.pooling == "cls":
            return hidden_BLE[:, 0]
        kept_BLE = hidden_BLE * mask_BL[..., None]
        return kept_BLE.sum(1) / mask_BL.sum(1, keepdim=True)


class EncoderLayer(nn.Module):
    """Attention in both directions, then the MLP; each is added and then normed."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        self.attention_out = nn.Linear(config.hidden_size, config.hidden_size)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        self.up = nn.Linear(config.hidden_size, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        self.activation = activations.FUNCTIONS[config.activation]

    def forward(self, x_BLE: Tensor, mask_B11L: Tensor | None) -> Tensor:
        q_BHLD, k_BHLD, v_BHLD = (
            project(x_BLE).view(*x_BLE.shape[:2], self.num_heads, -1).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        attend = _attend_plainly if torch.is_grad_enabled() else F.scaled_dot_product_attention
        o_BHLD = attend(q_BHLD, k_BHLD, v_BHLD, mask_B11L)
        x_BLE = self.attention_norm(x_BLE + self.attention_out(o_BHLD.transpose(1, 2).flatten(2)))
        y_BLE: Tensor = self.norm(x_BLE + self._mlp(x_BLE))
        return y_BLE

    def _mlp(self, x_BLE: Tensor) -> Tensor:
        """Some rows at a time, so that what is widest stays in the cache: up to a sixth faster, and 12 MB less."""
        if torch.is_grad_enabled() or x_BLE.shape[:2].numel() <= ROWS_AT_A_TIME:
            return self.down(self.activation(self.up(x_BLE)))  # type: ignore[no-any-return]
        parts = torch.split(x_BLE.flatten(0, 1), ROWS_AT_A_TIME)
        return torch.cat([self.down(self.activation(self.up(part))) for part in parts]).view_as(x_BLE)


def _attend_plainly(q_BHLD: Tensor, k_BHLD: Tensor, v_BHLD: Tensor, mask_B11L: Tensor | None) -> Tensor:
    """What the fused kernel computes, for training: its backward pass takes 5 to 7 times as long on rows up to 256."""
    q_BHLD, k_BHLD, v_BHLD = q_BHLD.contiguous(), k_BHLD.contiguous(), v_BHLD.contiguous()
    scores_BHLL = q_BHLD * q_BHLD.shape[-1] ** -0.5 @ k_BHLD.transpose(-1, -2)
    if mask_B11L is not None:
        scores_BHLL += torch.zeros(mask_B11L.shape, dtype=scores_BHLL.dtype).masked_fill_(~mask_B11L, float("-inf"))
    o_BHLD: Tensor = scores_BHLL.softmax(-1) @ v_BHLD
    return o_BHLD


_STORED_NAMES = {
    "words": "embeddings.word_embeddings",
    "positions": "embeddings.position_embeddings",
    "token_types": "embeddings.token_type_embeddings",
    "norm": "embeddings.LayerNorm",
}
_STORED_LAYER_NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm": "output.LayerNorm",
}


def stored_name(name: str) -> str:
    """Ours -> BERT's: layers.3.up.bias -> encoder.layer.3.intermediate.dense.bias."""
    match name.split("."):
        case ["layers", index, part, leaf]:
            return f"encoder.layer.{index}.{_STORED_LAYER_NAMES[part]}.{leaf}"
        case [part, leaf]:
            return f"{_STORED_NAMES[part]}.{leaf}"
    raise AssertionError(name)


def _prefix(stored: Mapping[str, StoredTensor], folder: Path) -> str:
    for prefix in _PREFIXES:
        if f"{prefix}embeddings.word_embeddings.weight" in stored:
            return prefix
    raise CheckpointError(f"{folder}: tensor embeddings.word_embeddings.weight is missing from the weights")


def _first_position(values: Values) -> int:
    model_type = values.values.get("model_type")
    if model_type not in _MODEL_TYPES:
        name = architecture(values.values, values.source)
        raise values.error("model_type", f"{name} is not a supported encoder; supported: {', '.join(_MODEL_TYPES)}")
    if values.values.get("position_embedding_type", "absolute") != "absolute":
        raise values.error("position_embedding_type", "only absolute positions are supported")
    return 0 if model_type == "bert" else values.integer("pad_token_id", 1, minimum=0) + 1


def _num_heads(values: Values) -> int:
    num_heads, hidden_size = values.integer("num_attention_heads"), values.integer("hidden_size")
    if hidden_size % num_heads:
        raise values.error("num_attention_heads", f"{num_heads} heads cannot share a hidden size of {hidden_size}")
    return num_heads


def _modules(folder: Path) -> dict[str, str]:
    """Module -> its subfolder, from modules.json; a folder without one is pooled by mean, as the library does."""
    path = folder / "modules.json"
    if not path.is_file():
        return {}
    entries = read_any_json(path)
    if not isinstance(entries, list) or not all(_is_module(entry) for entry in entries):
        raise CheckpointError(f"{path} is not a list of modules with a type and a path")
    modules = {entry["type"].rpartition(".")[2]: entry["path"] for entry in entries}
    for name in modules:
        if name not in ("Transformer", "Pooling", "Normalize"):
            raise CheckpointError(f"{path}: module {name} is not supported; supported: Transformer, Pooling, Normalize")
    return modules


def _is_module(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("type"), str)
        and isinstance(entry.get("path"), str)
        and ".." not in Path(entry["path"]).parts
        and not Path(entry["path"]).is_absolute()
    )


def _pooling(path: Path) -> Pooling:
    if not path.is_file():
        return "mean"
    values = read_json(path)
    modes = values.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in _LEGACY_POOLING.items() if values.get(key)] or ["mean"]
    if modes in ("mean", ["mean"]):
        return "mean"
    if modes in ("cls", ["cls"]):
        return "cls"
    raise CheckpointError(f"{path}: pooling by {modes} is not supported; supported: mean, cls")


def _max_length(folder: Path, num_positions: int) -> int:
    for name, key in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        if (folder / name).is_file():
            length = read_json(folder / name).get(key)
            if isinstance(length, int) and length > 0:
                return min(length, num_positions)
    return num_positions

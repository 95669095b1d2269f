"""NativeDecoder: a packed model as the kernels see it, its KV memory, and a step of it as one call.

The structures mirror csrc/decoder_abi.h, field by field. Shapes: T new tokens of a step, S sequences, N rows that
logits are asked for, E hidden size, V vocabulary; `padded` sizes are multiples of 32.
"""

from __future__ import annotations

import ctypes
import math
import mmap
from contextlib import suppress
from ctypes import POINTER, Structure, c_float, c_int32, c_int64, c_void_p

import torch
from torch import Tensor

from owngpt.errors import CheckpointError
from owngpt.kernels import abi
from owngpt.kernels.library import Library
from owngpt.kernels.packed import Format
from owngpt.model.attention import PagedBatch
from owngpt.model.config import ModelConfig
from owngpt.model.packed_model import PackedModel
from owngpt.model.rope import RopeConfig, RopeTable

MAX_HEAD_DIM = 512  # MAX_HEAD of csrc/attention.h
_VERSION = 2  # of the arithmetic; to be raised with every change of a result's bits
_BYTES_PER_SECOND, _PRODUCTS_PER_SECOND = 25e9, 250e9  # about what one core does
_WORTH_SHARING = 5e-4  # seconds
_TILE = 16  # tokens whose keys share a vector register
_ALIGNMENT = 64  # bytes
_ROPE_ROWS = 1024  # positions that are computed at once, always from a multiple of it, so that their bits are the same
_ACTIVATIONS = {"silu": 0, "gelu": 1, "gelu_tanh": 2, "relu": 3, "clamped_swiglu": 4}


class _Layer(Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("input_norm", "post_attention_norm", "pre_mlp_norm", "post_mlp_norm")),
        *((name, c_void_p) for name in ("q_norm", "k_norm", "sinks")),
        *((name, abi.Weight) for name in ("qkv", "o", "gate_up", "down", "router")),
        ("experts", POINTER(abi.Weight)),
        ("window", c_int64),
        ("rope", c_int64),
    ]


class _Decoder(Structure):
    _fields_ = [
        *((name, c_int64) for name in ("num_layers", "hidden", "intermediate", "heads", "kv_heads", "head_dim")),
        ("block_size", c_int64),
        *((name, c_int64) for name in ("num_experts", "experts_per_token", "expert_size")),
        *((name, c_int32) for name in ("is_router_normalized", "is_softmax_of_chosen", "activation", "is_kv_f32")),
        *((name, c_float) for name in ("norm_eps", "attention_scale", "embedding_scale", "logit_softcap")),
        *((name, c_float) for name in ("swiglu_alpha", "swiglu_limit")),
        ("norm", c_void_p),
        ("layers", POINTER(_Layer)),
        ("embedding", abi.Weight),
        ("head", abi.Weight),
    ]


class _Step(Structure):
    _fields_ = [
        *((name, c_int64) for name in ("num_tokens", "num_sequences")),
        *((name, c_void_p) for name in ("tokens", "positions", "slots", "query_starts", "block_tables")),
        *((name, c_void_p) for name in ("rope_cos", "rope_sin", "kv", "out", "scratch")),
        ("num_threads", c_int64),
        ("wanted", c_void_p),
        ("num_wanted", c_int64),
    ]


class NativeDecoder:
    """`model` over `num_blocks` blocks of KV memory. Used by one thread at a time.

    It computes with `threads` threads; None: with torch's number of them, but alone where there is little to do.
    Raises `CheckpointError` for heads that the kernels have no room for.
    """

    def __init__(
        self, model: PackedModel, library: Library, num_blocks: int, block_size: int, threads: int | None = None
    ) -> None:
        if model.config.head_dim > MAX_HEAD_DIM:
            raise CheckpointError(
                f"heads of {model.config.head_dim} values; the native kernels take {MAX_HEAD_DIM} at most; "
                "set OWNGPT_KERNELS=off to compute with PyTorch"
            )
        self.config = model.config
        self.numerics = _numerics(model, library.isa, block_size)
        self._threads = threads
        self._head_bytes = model.weights["embed_tokens" if model.config.is_tied else "lm_head"].num_bytes
        self._num_bytes = model.num_bytes - self._head_bytes
        self.block_bytes = block_bytes(model, block_size)
        self._kernels = library.kernels
        self._model = model  # with the next, it owns the memory that the structures point into
        self._structures: dict[str, abi.Weight] = {}
        self._ropes = _RopeTables(model.config)
        self._layers = (_Layer * model.config.num_layers)(
            *(self._layer(index) for index in range(self.config.num_layers))
        )
        self._decoder = self._describe(block_size)
        self.kv = _memory(num_blocks * self.block_bytes)
        self._scratch = torch.empty(0, dtype=torch.uint8)
        self._scratch_tokens = 0

    def forward(
        self, tokens_T: Tensor, positions_T: Tensor, batch: PagedBatch, wanted_N: Tensor | None = None
    ) -> Tensor:
        """Hidden states after the final norm: float32 [T, padded E]. `IndexError` for a token without an embedding.

        `wanted_N`: the rows that are asked for, ascending int64; None: all. The last layer computes no more of the
        others than their keys and values; what their rows hold is finite if these are, and means nothing else.
        """
        self._check(tokens_T)
        wanted_N = torch.arange(len(tokens_T)) if wanted_N is None else wanted_N
        num_tokens, num_sequences = len(tokens_T), len(batch.context_lens)
        out = torch.empty(num_tokens, _padded(self.config.hidden_size))
        tables = (c_void_p * num_sequences)(*(table.data_ptr() for table in batch.block_tables))
        starts = (c_int64 * (num_sequences + 1))(*batch.query_starts)
        cosines, sines = self._ropes.pointers(max(batch.context_lens))
        step = _Step(
            num_tokens,
            num_sequences,
            tokens_T.data_ptr(),
            positions_T.data_ptr(),
            batch.slots_T.data_ptr(),
            ctypes.addressof(starts),
            ctypes.addressof(tables),
            ctypes.addressof(cosines),
            ctypes.addressof(sines),
            self.kv.data_ptr(),
            out.data_ptr(),
            self._room(num_tokens),
            self._threads or _num_threads(self._num_bytes, num_tokens),
            wanted_N.data_ptr(),
            len(wanted_N),
        )
        self._kernels.forward(ctypes.addressof(self._decoder), ctypes.addressof(step))
        return out

    def logits(self, hidden_NE: Tensor) -> Tensor:
        """logits_NV of rows of `forward`'s result. The rows of the result are padded, so it is not contiguous."""
        hidden_NE = hidden_NE.contiguous()
        head = self._decoder.head
        out = torch.empty(len(hidden_NE), head.n)
        self._kernels.logits(
            ctypes.addressof(self._decoder),
            hidden_NE.data_ptr(),
            len(hidden_NE),
            hidden_NE.shape[1],
            out.data_ptr(),
            self._room(len(hidden_NE)),
            self._threads or _num_threads(self._head_bytes, len(hidden_NE)),
        )
        return out[:, : self.config.vocab_size]

    def _check(self, tokens_T: Tensor) -> None:
        """The kernels would read beyond their memory: a tokenizer may have more tokens than a model has embeddings."""
        lowest, highest = (int(value) for value in tokens_T.aminmax())
        if not 0 <= lowest <= highest < self.config.vocab_size:
            raise IndexError(f"tokens {lowest} to {highest}; the model has 0 to {self.config.vocab_size - 1}")

    def close(self) -> None:
        """Free the KV memory."""
        self.kv = torch.empty(0, dtype=torch.uint8)

    def _room(self, num_tokens: int) -> int:
        """The address of scratch memory for that many tokens."""
        if num_tokens > self._scratch_tokens:
            size = self._kernels.scratch_bytes(ctypes.addressof(self._decoder), num_tokens)
            self._scratch = torch.empty(size + _ALIGNMENT, dtype=torch.uint8)
            self._scratch_tokens = num_tokens
        address = self._scratch.data_ptr()
        return -(-address // _ALIGNMENT) * _ALIGNMENT

    def _describe(self, block_size: int) -> _Decoder:
        config = self.config
        return _Decoder(
            num_layers=config.num_layers,
            hidden=config.hidden_size,
            intermediate=config.intermediate_size,
            heads=config.num_heads,
            kv_heads=config.num_kv_heads,
            head_dim=config.head_dim,
            block_size=block_size,
            num_experts=config.num_experts,
            experts_per_token=config.experts_per_token,
            expert_size=config.expert_size,
            is_router_normalized=config.is_router_normalized,
            is_softmax_of_chosen=config.router_kind == "choice_first",
            activation=_ACTIVATIONS[config.activation],
            is_kv_f32=_has_float32_kv(self._model),
            norm_eps=config.norm_eps,
            attention_scale=config.attention_scale,
            embedding_scale=config.embedding_scale,
            logit_softcap=config.logit_softcap or 0.0,
            swiglu_alpha=config.swiglu_alpha,
            swiglu_limit=config.swiglu_limit,
            norm=self._vector("norm"),
            layers=self._layers,
            embedding=self._weight("embed_tokens"),
            head=self._weight("embed_tokens" if config.is_tied else "lm_head"),
        )

    def _layer(self, index: int) -> _Layer:
        config = self.config.layers[index]
        names = {"qkv": "qkv", "o": "o"} | (
            {"router": "router"} if config.is_moe else {"gate_up": "gate_up", "down": "down"}
        )
        return _Layer(
            input_norm=self._vector(f"layers.{index}.input_layernorm"),
            post_attention_norm=self._vector(f"layers.{index}.post_attention_layernorm"),
            pre_mlp_norm=self._vector(f"layers.{index}.pre_feedforward_layernorm"),
            post_mlp_norm=self._vector(f"layers.{index}.post_feedforward_layernorm"),
            q_norm=self._vector(f"layers.{index}.q_norm"),
            k_norm=self._vector(f"layers.{index}.k_norm"),
            sinks=self._vector(f"layers.{index}.sinks"),
            experts=self._experts(index) if config.is_moe else None,
            window=config.window or 0,
            rope=self._ropes.index(config.rope),
            **{name: self._weight(f"layers.{index}.{name}") for name in names},
        )

    def _experts(self, index: int) -> ctypes.Array[abi.Weight]:
        parts = [
            self._weight(f"layers.{index}.experts.{expert}.{part}")
            for expert in range(self.config.num_experts)
            for part in ("gate_up", "down")
        ]
        return (abi.Weight * len(parts))(*parts)

    def _weight(self, name: str) -> abi.Weight:
        if name not in self._structures:
            self._structures[name] = abi.weight_of(self._model.weights[name])
        return self._structures[name]

    def _vector(self, name: str) -> int | None:
        vector = self._model.vectors.get(name)
        return None if vector is None else vector.data_ptr()


class _RopeTables:
    """Cosines and sines of every rotation of a model, by position; as long as the longest sequence so far."""

    def __init__(self, config: ModelConfig) -> None:
        self._ropes = list(dict.fromkeys(layer.rope for layer in config.layers if layer.rope is not None))
        self._head_dim = config.head_dim
        self._tables = [(torch.empty(0, config.head_dim // 2),) * 2 for _ in self._ropes]

    def index(self, rope: RopeConfig | None) -> int:
        """Which table; -1: none."""
        return -1 if rope is None else self._ropes.index(rope)

    def pointers(self, num_positions: int) -> tuple[ctypes.Array[c_void_p], ctypes.Array[c_void_p]]:
        """The addresses of all cosines and of all sines, of at least that many positions."""
        if self._ropes and num_positions > len(self._tables[0][0]):
            self._grow(max(num_positions, 2 * len(self._tables[0][0])))
        kind = c_void_p * len(self._tables)
        return kind(*(cos.data_ptr() for cos, _ in self._tables)), kind(*(sin.data_ptr() for _, sin in self._tables))

    def _grow(self, num_positions: int) -> None:
        for number, rope in enumerate(self._ropes):
            pieces = [
                RopeTable.at(torch.arange(start, start + _ROPE_ROWS), rope, self._head_dim, torch.float32)
                for start in range(0, num_positions, _ROPE_ROWS)
            ]
            half = self._head_dim // 2
            self._tables[number] = (
                torch.cat([piece.cos_T1D[:, 0, half:] for piece in pieces]),
                torch.cat([piece.sin_T1D[:, 0, half:] for piece in pieces]),
            )


def block_bytes(model: PackedModel, block_size: int) -> int:
    """What a block of KV memory costs over all layers: heads are padded to 16 coordinates, blocks to 16 tokens."""
    config = model.config
    element = 4 if _has_float32_kv(model) else 2
    tokens, width = _padded(block_size, _TILE), _padded(config.head_dim, 16)
    return 2 * config.num_layers * config.num_kv_heads * width * tokens * element


def _memory(num_bytes: int) -> Tensor:
    """Zeroed bytes that cost memory only once they are touched, in huge pages where the system has them.

    A step reads each page of keys and values once, so with small pages it waits for the page tables (a fifth of it).
    """
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.frombuffer(mmap.mmap(-1, num_bytes), dtype=torch.uint8)
    memory = mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.uint8)


def _num_threads(num_bytes: int, rows: int) -> int:
    """One where the work is so little that threads would mostly wait for each other, and for a free core."""
    seconds = max(num_bytes / _BYTES_PER_SECOND, num_bytes * rows / _PRODUCTS_PER_SECOND)
    return 1 if seconds < _WORTH_SHARING else torch.get_num_threads()


def _has_float32_kv(model: PackedModel) -> bool:
    return model.weights["layers.0.qkv"].format is Format.F32


def _numerics(model: PackedModel, isa: str, block_size: int) -> str:
    """Equal names give equal bits. A block that is no whole number of tiles divides the sums in another way."""
    formats = "+".join(sorted({weight.format.name.lower() for weight in model.weights.values()}))
    return f"{formats} {isa} {_VERSION}" + (f" blocks of {block_size}" if block_size % _TILE else "")


def _padded(size: int, to: int = 32) -> int:
    return math.ceil(size / to) * to

"""PackedModel: a decoder's weights as the kernels read them, made of whatever a `WeightSource` holds.

Matrices that read the same input become one, rows after rows: q, k, v and gate, up. The names are those of
`PackedModel`; what a parameter is called in a checkpoint is the source's business.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from owngpt.kernels.packed import PackedWeight
from owngpt.model import weight_cache
from owngpt.model.config import ModelConfig
from owngpt.model.digests import Digests, combined
from owngpt.model.experts import router_name
from owngpt.model.quantize import choose_format, pack
from owngpt.model.sources import open_source, weights_digest
from owngpt.model.weight_source import WeightSource
from owngpt.model.weights import Progress

logger = logging.getLogger(__name__)
_KEPT = ("int8", "int4")
_MOST_WORKERS = 4  # each needs memory for a matrix
_LAYOUT = "1"  # of the packed weights; to be raised with every change of it


@dataclass(frozen=True, slots=True)
class PackedModel:
    """A decoder.

    `weights`: `embed_tokens`, `lm_head` (not where it is tied), and per layer `layers.0.qkv`, `.o`, `.gate_up`,
    `.down`; where it `is_moe`, `layers.0.router`, `layers.0.experts.0.gate_up`, `layers.0.experts.0.down` instead of
    the last two. `vectors`, float32: `norm`, and of each layer those of `input_layernorm`, `post_attention_layernorm`,
    `pre_feedforward_layernorm`, `post_feedforward_layernorm`, `q_norm`, `k_norm` that it has; they multiply as they
    are, a Gemma norm's 1 is added in; and `sinks`.
    """

    config: ModelConfig
    weights: dict[str, PackedWeight]
    vectors: dict[str, Tensor]

    @property
    def num_bytes(self) -> int:
        """Of all weights and vectors."""
        vectors = sum(vector.nbytes for vector in self.vectors.values())
        return vectors + sum(weight.num_bytes for weight in self.weights.values())


class Matrix(NamedTuple):
    """One packed weight, and the parameters whose rows it takes, in order."""

    name: str
    parts: tuple[str, ...]
    has_bias: bool = False

    @property
    def weights(self) -> tuple[str, ...]:
        """The parameters."""
        return tuple(f"{part}.weight" for part in self.parts)

    @property
    def biases(self) -> tuple[str, ...]:
        """Those of its bias, if it has one."""
        return tuple(f"{part}.bias" for part in self.parts) if self.has_bias else ()


def matrices(config: ModelConfig) -> Iterator[Matrix]:
    """Every packed weight of a decoder, in the order in which a forward reads them."""
    yield Matrix("embed_tokens", ("embed_tokens",))
    for index in range(config.num_layers):
        layer, attention, mlp = (f"layers.{index}{part}" for part in ("", ".self_attn", ".mlp"))
        qkv = (f"{attention}.q_proj", f"{attention}.k_proj", f"{attention}.v_proj")
        yield Matrix(f"{layer}.qkv", qkv, config.has_qkv_bias)
        yield Matrix(f"{layer}.o", (f"{attention}.o_proj",), config.has_o_bias)
        if config.layers[index].is_moe:
            yield Matrix(f"{layer}.router", (f"{mlp}.{router_name(config)}",), config.has_router_bias)
            for expert in range(config.num_experts):
                yield from _mlp(f"{layer}.experts.{expert}", f"{mlp}.experts.{expert}", config.has_expert_bias)
        else:
            yield from _mlp(layer, mlp, config.has_mlp_bias)
    if not config.is_tied:
        yield Matrix("lm_head", ("lm_head",))


def _mlp(name: str, module: str, has_bias: bool) -> Iterator[Matrix]:
    yield Matrix(f"{name}.gate_up", (f"{module}.gate_proj", f"{module}.up_proj"), has_bias)
    yield Matrix(f"{name}.down", (f"{module}.down_proj",), has_bias)


def vector_names(config: ModelConfig) -> dict[str, str]:
    """Name in `PackedModel.vectors` -> name of the parameter."""
    names = ["input_layernorm", "post_attention_layernorm"]
    if config.has_post_norms:
        names += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
    heads = ["q_norm", "k_norm"] if config.has_qk_norm else []
    found = {"norm": "norm.weight"}
    for layer in (f"layers.{index}" for index in range(config.num_layers)):
        found |= {f"{layer}.{name}": f"{layer}.{name}.weight" for name in names}
        found |= {f"{layer}.{name}": f"{layer}.self_attn.{name}.weight" for name in heads}
        found |= {f"{layer}.sinks": f"{layer}.self_attn.sinks"} if config.has_sinks else {}
    return found


def read_vectors(source: WeightSource) -> dict[str, Tensor]:
    """`PackedModel.vectors`, copied out of the source."""
    offset = 1.0 if source.config.is_norm_offset else 0.0
    return {
        name: _numbers(source, parameter).float() + offset for name, parameter in vector_names(source.config).items()
    }


def pack_weights(
    source: WeightSource, dtype: str, progress: Progress | None = None
) -> Iterator[tuple[str, PackedWeight]]:
    """`PackedModel.weights`, one after the other: whoever keeps none of them needs the memory of a few only."""
    done, total = sum(map(source.size, vector_names(source.config).values())), source.num_bytes
    for matrix, weight in _packed_ahead(source, dtype):
        yield matrix.name, weight
        del weight  # before the next one is waited for
        done += sum(map(source.size, (*matrix.weights, *matrix.biases)))
        if progress is not None:
            progress(done, total)


def _packed_ahead(source: WeightSource, dtype: str) -> Iterator[tuple[Matrix, PackedWeight]]:
    """Each worker packs a matrix with one thread: threads within small operations would mostly wait for each other."""
    num_threads = torch.get_num_threads()
    num_workers = min(_MOST_WORKERS, num_threads)
    pending: deque[tuple[Matrix, Future[PackedWeight]]] = deque()
    with ThreadPoolExecutor(num_workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for matrix in matrices(source.config):
                pending.append((matrix, pool.submit(_pack_one, source, matrix, dtype)))
                if len(pending) > num_workers:
                    yield _finished(pending)
            while pending:
                yield _finished(pending)
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(num_threads)


def _finished(pending: deque[tuple[Matrix, Future[PackedWeight]]]) -> tuple[Matrix, PackedWeight]:
    matrix, future = pending.popleft()
    return matrix, future.result()


def _pack_one(source: WeightSource, matrix: Matrix, dtype: str) -> PackedWeight:
    biases = [_numbers(source, name).float() for name in matrix.biases]
    parts = [source.read(name) for name in matrix.weights]
    form = choose_format(matrix.name, dtype, parts, has_codes=source.dtype == "int4")
    return pack(parts, form, torch.cat(biases) if biases else None)


def _numbers(source: WeightSource, name: str) -> Tensor:
    value = source.read(name)
    assert isinstance(value, Tensor), f"{name} is a vector; nobody quantizes those"
    return value


def load_packed(
    folder: Path,
    dtype: str,
    *,
    cache_dir: Path | None = None,
    content: Callable[[], str] | None = None,
    progress: Progress | None = None,
) -> PackedModel:
    """The decoder of a folder, packed as `dtype`: fp32, bf16, int8 or int4.

    What had to be quantized is kept in `cache_dir` under the digest of all files it was made of, and mapped from
    there the next time. Where it cannot be kept, the model is packed in memory, each time. `content` is that digest,
    for callers that remember it; else all files are read for it. `CheckpointError` names what is wrong.
    """
    config = ModelConfig.from_folder(folder)
    if cache_dir is None or dtype not in _KEPT:
        return pack_in_memory(open_source(folder, config), dtype, progress)
    digest = content() if content is not None else weights_digest(folder, Digests())
    path = cache_dir / combined([_LAYOUT, digest])[:32] / f"{dtype}.safetensors"
    parts = weight_cache.read(path)
    if parts is not None:
        return PackedModel(config, *parts)
    source = open_source(folder, config)
    try:
        return PackedModel(config, *_keep(path, source, dtype, progress))
    except OSError as error:
        logger.warning("the quantized weights cannot be kept in %s: %s; the next start makes them again", path, error)
    return pack_in_memory(source, dtype, progress)


def pack_in_memory(source: WeightSource, dtype: str, progress: Progress | None = None) -> PackedModel:
    """What `load_packed` gives, of any source."""
    return PackedModel(source.config, dict(pack_weights(source, dtype, progress)), read_vectors(source))


def _keep(path: Path, source: WeightSource, dtype: str, progress: Progress | None) -> weight_cache.Parts:
    """Write the packed model and map it. `OSError` where the disk does not take it."""
    num_weights = sum(1 for _ in matrices(source.config))
    weight_cache.write(path, pack_weights(source, dtype, progress), read_vectors(source), num_weights)
    parts = weight_cache.read(path)
    if parts is None:
        raise OSError("what was written cannot be read back")
    return parts

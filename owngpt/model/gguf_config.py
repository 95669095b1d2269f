"""GGUF metadata -> the values of a config.json, which `ModelConfig` then reads and checks like any other.

The keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. What a file does not say, and llama.cpp knows by
the architecture's name, is said here or is the family's default in `config.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from owngpt.errors import CheckpointError
from owngpt.model.gguf_file import GGUFFile

_CLASSES = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "smollm3": "SmolLM3ForCausalLM",
    "gemma3": "Gemma3ForCausalLM",
    "qwen3moe": "Qwen3MoeForCausalLM",
    "gpt-oss": "GptOssForCausalLM",
}
_KEYS = {  # as in config.json -> as in GGUF, after the name of the architecture
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "max_position_embeddings": "context_length",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "rope_theta": "rope.freq_base",
    "sliding_window": "attention.sliding_window",
    "num_local_experts": "expert_count",
    "num_experts_per_tok": "expert_used_count",
    "moe_intermediate_size": "expert_feed_forward_length",
}
_GEMMA3_27B_LAYERS = 62  # the one size whose scores are not divided by the root of the head's size


def config_values(file: GGUFFile) -> dict[str, Any]:
    """What config.json would hold. `CheckpointError` names an architecture or a key that is not supported."""
    name = file.fields.get("general.architecture")
    if not isinstance(name, str) or name not in _CLASSES:
        raise CheckpointError(
            f"{file.path}: architecture {name!r} is not supported in GGUF files; supported: {', '.join(_CLASSES)}"
        )
    if file.fields.get("split.count", 1) != 1:
        raise CheckpointError(
            f"{file.path}: it is one of {file.fields['split.count']} parts; put them together: llama-gguf-split --merge"
        )
    found = {key: file.fields[f"{name}.{theirs}"] for key, theirs in _KEYS.items() if f"{name}.{theirs}" in file.fields}
    values = {
        "architectures": [_CLASSES[name]],
        "vocab_size": _num_tokens(file),
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "attention_bias": "blk.0.attn_q.bias" in file.tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in file.tensors,
        **found,
    }
    if name == "gemma3":
        values |= _gemma3(file.fields, values)
    elif name == "gpt-oss":
        values["intermediate_size"] = values.pop("moe_intermediate_size", None)
    else:
        values.pop("sliding_window", None)  # llama.cpp reads it for architectures that have layers with a window
    if name == "qwen3moe":
        values["norm_topk_prob"] = True
    head_size = values.get("head_dim", _share_of_heads(values))
    _check_rotation(file, name, head_size)
    return values | _rope(file, name, head_size)


def _num_tokens(file: GGUFFile) -> int:
    """Rows of the embedding: the vocabulary with its padding."""
    if "token_embd.weight" not in file.tensors:
        raise CheckpointError(f"{file.path}: tensor token_embd.weight is missing")
    return file.tensors["token_embd.weight"].shape[0]


def _gemma3(fields: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    is_27b = values.get("num_hidden_layers") == _GEMMA3_27B_LAYERS
    head_size = _share_of_heads(values) if is_27b else values.get("head_dim", 256)
    given = {
        "sliding_window_pattern": fields.get("gemma3.attention.sliding_window_pattern"),
        "rope_local_base_freq": fields.get("gemma3.rope.freq_base_swa"),
        "final_logit_softcapping": fields.get("gemma3.final_logit_softcapping"),
    }
    return {"query_pre_attn_scalar": head_size, **{key: value for key, value in given.items() if value is not None}}


def _check_rotation(file: GGUFFile, name: str, head_size: Any) -> None:
    """Heads are rotated as a whole here."""
    rotated = file.fields.get(f"{name}.rope.dimension_count")
    if rotated not in (None, head_size):
        raise CheckpointError(
            f"{file.path}: rope.dimension_count is {rotated}; only {head_size}, whole heads, is supported"
        )


def _share_of_heads(values: Mapping[str, Any]) -> int | None:
    """The hidden size divided among the heads; None where they are not numbers, which `ModelConfig` then names."""
    hidden, heads = values.get("hidden_size"), values.get("num_attention_heads")
    return hidden // heads if isinstance(hidden, int) and isinstance(heads, int) and heads > 0 else None


def _rope(file: GGUFFile, name: str, head_size: Any) -> dict[str, Any]:
    """`rope_scaling`, where positions are scaled."""
    if "rope_freqs.weight" in file.tensors:
        return {"rope_scaling": {"rope_type": "divisors", "divisors": _divisors(file, head_size)}}
    prefix = f"{name}.rope.scaling."
    given = {key.removeprefix(prefix): value for key, value in file.fields.items() if key.startswith(prefix)}
    kind = given.get("type", "linear" if "factor" in given else "none")
    if kind == "none":
        return {}
    scaling = {"rope_type": kind, "factor": given.get("factor", 1.0)}
    renamed = {"original_context_length": "original_max_position_embeddings", "attn_factor": "attention_factor"}
    renamed |= {"yarn_beta_fast": "beta_fast", "yarn_beta_slow": "beta_slow"}
    if name == "gpt-oss":
        scaling["truncate"] = False
    return {"rope_scaling": scaling | {ours: given[theirs] for theirs, ours in renamed.items() if theirs in given}}


def _divisors(file: GGUFFile, head_size: Any) -> list[float]:
    """What the frequency of each plane is divided by: how Llama 3's scaling is stored."""
    tensor = file.tensors["rope_freqs.weight"]
    count = tensor.shape[0]
    if tensor.kind != 0 or not 0 < count * torch.float32.itemsize <= len(file.content) - tensor.start:
        raise CheckpointError(f"{file.path}: tensor rope_freqs.weight is not {count} numbers of F32; fetch it again")
    values = torch.frombuffer(file.content, dtype=torch.float32, count=count, offset=tensor.start)
    if 2 * count != head_size or not (values > 0).all():
        raise CheckpointError(f"{file.path}: tensor rope_freqs.weight is no divisor above 0 for each plane of a head")
    return [float(value) for value in values]

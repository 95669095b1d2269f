"""GGUF files as llama.cpp's conversion writes them, by its own package: names, orders of rows, blocks."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

Array = NDArray[Any]
ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "SmolLM3ForCausalLM": "smollm3",
    "Gemma3ForCausalLM": "gemma3",
    "Qwen3MoeForCausalLM": "qwen3moe",
    "GptOssForCausalLM": "gpt-oss",
}


def gguf_of_checkpoint(
    folder: Path,
    path: Path,
    kind: Callable[[str], str] = lambda name: "F32",
    tokenizer: Mapping[str, Any] | None = None,
) -> Path:
    """Write `path` from a Hugging Face folder; each matrix (by its name there) in the format that `kind` names.

    -> A folder beside it, whose checkpoint has the very numbers that the blocks stand for.
    """
    config = json.loads((folder / "config.json").read_text())
    architecture = ARCHITECTURES[config["architectures"][0]]
    writer = gguf.GGUFWriter(path, architecture)
    _add_metadata(writer, architecture, config)
    for name, value in (tokenizer or {}).items():
        _add_field(writer, name, value)
    key = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(key, config["num_hidden_layers"])
    numbers: dict[str, Tensor] = {}
    tensors = load_file(folder / "model.safetensors")
    for name, values in _experts(tensors).items():
        stored_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert stored_name is not None, name
        if isinstance(values, tuple):
            writer.add_tensor(stored_name, _mxfp4_blocks(*values), raw_dtype=gguf.GGMLQuantizationType.MXFP4)
        else:
            writer.add_tensor(stored_name, values)
    for name, tensor in tensors.items():
        if ".experts." in name:
            numbers[name] = tensor
            continue
        stored_name = names.get_name(f"{name}.weight" if name.endswith("sinks") else name, (".weight", ".bias"))
        assert stored_name is not None, name
        numbers[name] = _add_tensor(writer, stored_name, name, tensor, architecture, config, kind(name))
    rope = config.get("rope_parameters") or {}
    if rope.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_divisors(rope, _head_dim(config)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return _reference(folder, path.with_name(f"{path.stem}-numbers"), numbers)


def blocks_of(values: Array, kind: str) -> Array:
    """Values in a block format: uint8 [rows, bytes]. Random blocks where the package only knows how to read them."""
    form = gguf.GGMLQuantizationType[kind]
    try:
        return np.asarray(gguf.quants.quantize(values, form)).view(np.uint8).reshape(len(values), -1)
    except NotImplementedError:
        return random_blocks(kind, values.shape[0], values.shape[1])


def random_blocks(kind: str, rows: int, columns: int) -> Array:
    """Any bytes, but for the float16 factors, which are about 0.002."""
    num_values, num_bytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    generator = np.random.default_rng(rows + columns)
    blocks = generator.integers(0, 256, (rows, columns // num_values, num_bytes), dtype=np.uint8)
    for start in {"Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,), "Q4_0": (0,), "Q8_0": (0,)}[kind]:
        factors = generator.normal(0.002, 0.0005, blocks.shape[:2]).astype(np.float16)
        blocks[..., start : start + 2] = factors[..., None].view(np.uint8)
    return blocks.reshape(rows, -1)


def numbers_of(blocks: Array, kind: str) -> Array:
    """What the blocks stand for, by the package."""
    form = gguf.GGMLQuantizationType[kind]
    plain = {"F32": np.float32, "F16": np.float16}
    return np.asarray(gguf.quants.dequantize(blocks.view(plain[kind]) if kind in plain else blocks, form), np.float32)


def llama3_divisors(rope: Mapping[str, Any], head_dim: int) -> Array:
    """What `LlamaModel.generate_extra_tensors` of the conversion writes."""
    factor, low, high = rope["factor"], rope["low_freq_factor"], rope["high_freq_factor"]
    original = rope["original_max_position_embeddings"]
    found = []
    for exponent in np.arange(0, head_dim, 2) / head_dim:
        wavelength = 2 * math.pi * rope["rope_theta"] ** exponent
        if wavelength < original / high:
            found.append(1.0)
        elif wavelength > original / low:
            found.append(factor)
        else:
            smooth = (original / wavelength - low) / (high - low)
            found.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(found, np.float32)


def interleaved(rows: Array, num_heads: int) -> Array:
    """`LlamaModel.permute` of the conversion: the halves of each head take turns."""
    split = rows.reshape(num_heads, 2, rows.shape[0] // num_heads // 2, *rows.shape[1:])
    return split.swapaxes(1, 2).reshape(rows.shape)


def _add_metadata(writer: Any, architecture: str, config: Mapping[str, Any]) -> None:
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(_head_dim(config))
    writer.add_value_length(_head_dim(config))
    writer.add_rope_dimension_count(_head_dim(config))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    rope = config.get("rope_parameters") or {}
    rope = rope.get("full_attention", rope)
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope.get("rope_type") in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope["rope_type"]))
        writer.add_rope_scaling_factor(rope["factor"])
    if rope.get("rope_type") == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if "num_local_experts" in config:
        writer.add_expert_count(config["num_local_experts"])
        writer.add_expert_used_count(config["num_experts_per_tok"])
        is_gpt_oss = architecture == "gpt-oss"
        writer.add_expert_feed_forward_length(config["intermediate_size" if is_gpt_oss else "moe_intermediate_size"])
    if architecture == "gpt-oss":
        writer.add_sliding_window(config["sliding_window"])
    if architecture == "gemma3":
        writer.add_sliding_window(config["sliding_window"])
        writer.add_uint32("gemma3.attention.sliding_window_pattern", 4)
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])


def _add_field(writer: Any, name: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(name, value)
    elif isinstance(value, int):
        writer.add_uint32(name, value)
    elif isinstance(value, str):
        writer.add_string(name, value)
    else:
        writer.add_array(name, value)


def _add_tensor(
    writer: Any, stored_name: str, name: str, tensor: Tensor, architecture: str, config: Mapping[str, Any], kind: str
) -> Tensor:
    """-> the numbers, as the Hugging Face checkpoint has them."""
    values = tensor.float().numpy()
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    heads = heads if architecture in ("llama", "smollm3") else {}
    num_heads = next((count for part, count in heads.items() if f".{part}." in name), None)
    if values.ndim == 1:
        stored = values if num_heads is None else interleaved(values, num_heads)
        writer.add_tensor(stored_name, stored + np.float32(architecture == "gemma3" and "norm" in name))
        return tensor
    blocks = blocks_of(values, kind)
    stored = blocks if num_heads is None else interleaved(blocks, num_heads)
    writer.add_tensor(stored_name, stored, raw_dtype=gguf.GGMLQuantizationType[kind])
    return torch.from_numpy(numbers_of(blocks, kind).reshape(values.shape))


def _experts(tensors: Mapping[str, Tensor]) -> dict[str, Array | tuple[Array, Array]]:
    """Those of a layer in one tensor, outputs before inputs; MXFP4 as blocks and scales."""
    found: dict[str, Array | tuple[Array, Array]] = {}
    for name, tensor in tensors.items():
        module, _, leaf = name.rpartition(".")
        if re.search(r"\.experts\.0\.\w+$", module):
            before, after = name.split(".experts.0.")
            count = sum(
                1 for other in tensors if other.startswith(f"{before}.experts.") and other.endswith(f".{after}")
            )
            parts = [tensors[f"{before}.experts.{expert}.{after}"] for expert in range(count)]
            found[f"{before}.experts.{after}"] = torch.stack(parts).numpy()
        elif module.endswith(".experts"):
            leaf, kind = re.fullmatch(r"(gate_up_proj|down_proj)(_bias|_blocks|_scales)?", leaf).groups()  # type: ignore[union-attr]
            halves = {"gate_proj": slice(0, None, 2), "up_proj": slice(1, None, 2)}
            parts_of = halves if leaf == "gate_up_proj" else {"down_proj": slice(None)}
            for part, outputs in parts_of.items():
                if kind == "_blocks":
                    scales = tensors[name.replace("_blocks", "_scales")]
                    found[f"{module}.{part}.weight"] = tensor[:, outputs].numpy(), scales[:, outputs].numpy()
                elif kind == "_bias":
                    found[f"{module}.{part}.bias"] = tensor[:, outputs].contiguous().numpy()
                elif kind is None:
                    found[f"{module}.{part}.weight"] = tensor.transpose(1, 2)[:, outputs].contiguous().numpy()
    return found


def _mxfp4_blocks(blocks: Array, scales: Array) -> Array:
    """Pairs of neighbours become pairs of a block's halves, behind the scale."""
    codes = np.stack((blocks & 15, blocks >> 4), -1).reshape(*blocks.shape[:-1], 32)
    halves = codes[..., :16] | codes[..., 16:] << 4
    return np.concatenate((scales[..., None], halves), -1).reshape(*blocks.shape[:2], -1)


def _head_dim(config: Mapping[str, Any]) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def _reference(folder: Path, into: Path, numbers: dict[str, Tensor]) -> Path:
    into.mkdir()
    (into / "config.json").write_bytes((folder / "config.json").read_bytes())
    save_file({name: value.contiguous() for name, value in numbers.items()}, into / "model.safetensors")
    return into


def tokenizer_fields(folder: Path, pre: str = "gpt-2", **more: Any) -> dict[str, Any]:
    """The `tokenizer.*` keys for the tokenizer of a Hugging Face folder, as the conversion writes them."""
    state = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    named = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    is_sentencepiece = state["model"].get("byte_fallback", False)
    vocab = dict(state["model"]["vocab"])
    added = {token["content"]: token for token in state["added_tokens"]}
    vocab |= {content: token["id"] for content, token in added.items()}
    tokens = sorted(vocab, key=lambda token: vocab[token])
    kinds = [gguf.TokenType.NORMAL] * len(tokens)
    for content, token in added.items():
        kinds[vocab[content]] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    fields: dict[str, Any] = {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": list(map(int, kinds))}
    if is_sentencepiece:
        ranks = {left + right: rank for rank, (left, right) in reversed(list(enumerate(state["model"]["merges"])))}
        scores = [float(-ranks.get(token, 0)) for token in tokens]
        fields |= {"tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": scores}
    else:
        merges = [" ".join(merge) for merge in state["model"]["merges"]] or ["a b"]
        fields |= {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": pre, "tokenizer.ggml.merges": merges}
    for name, key in {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}.items():
        if isinstance(named.get(f"{name}_token"), str):
            fields[f"tokenizer.ggml.{key}_token_id"] = vocab[named[f"{name}_token"]]
    template = folder / "chat_template.jinja"
    if template.exists():
        fields["tokenizer.chat_template"] = template.read_text(encoding="utf-8")
    return {**fields, **more}

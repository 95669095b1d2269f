"""Small models: random checkpoints of every family, written by transformers, and a decoder built in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from owngpt.model.config import ModelConfig
from owngpt.model.transformer import Transformer

VOCAB_SIZE = 320
_SHAPE: dict[str, Any] = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,  # wide enough for logits that tell tokens apart
}
_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
_YARN_ROPE = {
    "rope_type": "yarn",
    "rope_theta": 10_000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 128,
}
_GEMMA = {"head_dim": 16, "sliding_window": 8, "query_pre_attn_scalar": 24, "final_logit_softcapping": None}
_GEMMA_ROPE = {
    "full_attention": {"rope_type": "linear", "rope_theta": 1_000_000.0, "factor": 8.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
}
_EXPERTS = {"num_local_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 48}
_GPT_OSS = {
    **_EXPERTS,
    "head_dim": 16,
    "sliding_window": 12,
    "swiglu_limit": 1.5,  # low enough that values reach it
    "rope_parameters": {**_YARN_ROPE, "truncate": False},
}
_KINDS = ["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"]
_FAMILY: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {"rope_parameters": _LLAMA3_ROPE}),
    "llama-bias": (
        "llama",
        {"attention_bias": True, "mlp_bias": True, "rope_parameters": {"rope_type": "linear", "factor": 2.0}},
    ),
    "mistral": ("mistral", {"sliding_window": 12, "head_dim": 24}),
    "qwen2": ("qwen2", {"rope_parameters": _YARN_ROPE, "tie_word_embeddings": True}),
    "qwen2-window": ("qwen2", {"use_sliding_window": True, "sliding_window": 10, "max_window_layers": 2}),
    "qwen3": ("qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    "smollm3": ("smollm3", {"no_rope_layers": [1, 1, 0, 1]}),
    "qwen3-moe": ("qwen3_moe", {**_EXPERTS, "head_dim": 32, "norm_topk_prob": True, "mlp_only_layers": [1]}),
    "qwen3-moe-step": ("qwen3_moe", {**_EXPERTS, "tie_word_embeddings": True, "decoder_sparse_step": 2}),
    "gpt-oss": ("gpt_oss", _GPT_OSS),
    "gpt-oss-mxfp4": ("gpt_oss", _GPT_OSS),
    "gemma3": (
        "gemma3_text",
        {**_GEMMA, "layer_types": _KINDS, "rope_parameters": _GEMMA_ROPE, "final_logit_softcapping": 4.0},
    ),
}
FAMILIES = tuple(_FAMILY)


def family_checkpoint(family: str, folder: Path) -> Path:
    """Write a random checkpoint of a family (config.json, model.safetensors) with transformers; -> its folder."""
    from transformers import AutoConfig, AutoModelForCausalLM

    model_type, values = _FAMILY[family]
    torch.manual_seed(FAMILIES.index(family))
    config = AutoConfig.for_model(model_type, **{**_SHAPE, "pad_token_id": 0, **values})
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():  # norms and biases start as constants; a test must notice them
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * (0.5 if "norm" in name else 0.1))
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    if family.endswith("mxfp4"):
        _make_mxfp4(folder)
    return folder


def _make_mxfp4(folder: Path) -> None:
    """Give the experts of a gpt-oss checkpoint random 4-bit blocks for weights."""
    tensors: dict[str, Tensor] = {}
    for name, value in load_file(folder / "model.safetensors").items():
        if name.endswith(("gate_up_proj", "down_proj")):
            shape = (value.shape[0], value.shape[2], value.shape[1] // 32)
            tensors[f"{name}_blocks"] = torch.randint(256, (*shape, 16), dtype=torch.uint8)
            tensors[f"{name}_scales"] = torch.randint(121, 125, shape, dtype=torch.uint8)  # for weights of about 0.2
        else:
            tensors[name] = value
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    edit_config(folder, quantization_config={"quant_method": "mxfp4", "dequantize": True})  # else it wants a GPU


def multimodal_checkpoint(folder: Path) -> Path:
    """A Gemma 3 with eyes; -> its folder."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3TextConfig, SiglipVisionConfig

    torch.manual_seed(0)
    text = Gemma3TextConfig(**{**_SHAPE, **_GEMMA, "layer_types": _KINDS, "pad_token_id": 0})
    vision = SiglipVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    config = Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=VOCAB_SIZE - 1
    )
    Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def tiny_config(vocab_size: int = VOCAB_SIZE, **changes: Any) -> ModelConfig:
    """A Qwen3 layout of 2 layers."""
    values = {**_SHAPE, "architectures": ["Qwen3ForCausalLM"], "num_hidden_layers": 2, "head_dim": 16}
    return ModelConfig.from_dict({**values, "tie_word_embeddings": True, "vocab_size": vocab_size, **changes})


def tiny_model(vocab_size: int = VOCAB_SIZE, seed: int = 0, **changes: Any) -> Transformer:
    """A random decoder, always the same one; `changes` are config.json values."""
    model = Transformer(tiny_config(vocab_size, **changes))
    model.init_weights(seed, std=0.2)
    return model.eval().requires_grad_(False)


def edit_config(folder: Path, **changes: Any) -> None:
    """Change values of a config.json; a value of `...` removes the key."""
    path = folder / "config.json"
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not ...}))


def encoder_checkpoint(folder: Path, model_type: str, pooling: str | None) -> Path:
    """A small random encoder, with sentence-transformers' files where `pooling` is given; -> its folder."""
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    shape = {"vocab_size": 100, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    config = AutoConfig.for_model(
        model_type, **shape, num_attention_heads=4, max_position_embeddings=64, initializer_range=0.2
    )
    AutoModel.from_config(config).save_pretrained(folder)
    if pooling is not None:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{_POOLING_KEYS[pooling]}": True}))
        modules = [{"type": f"sentence_transformers.models.{name}", "path": path} for name, path in _MODULES.items()]
        (folder / "modules.json").write_text(json.dumps(modules))
    return folder


_POOLING_KEYS = {"cls": "cls_token", "mean": "mean_tokens"}
_MODULES = {"Transformer": "", "Pooling": "1_Pooling"}

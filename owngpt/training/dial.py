"""The one dial: a depth decides the shape of a model, how it learns, and on how many tokens.

What is not in here follows from the tokens seen (`plan.py`): above all the batch, which depends on the data rather
than on the model (Zhang et al. 2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from owngpt.training.optim import OptimConfig
from owngpt.training.plan import TrainConfig

HEAD_SIZE = 64
TOKENS_PER_PARAMETER = 10  # without the input embedding; half of Chinchilla's, since Muon needs fewer
WIDTH_OF_RATES = 256  # at which Adam's learning rates in `OptimConfig` were chosen


def shape(depth: int, vocab_size: int, max_position: int) -> dict[str, Any]:
    """config.json of a decoder `depth` layers deep: 64 x depth wide, `depth` heads, an MLP of 8/3 the width.

    Embedding and output head are separate: the embedding costs no arithmetic, and at this size both learn faster.
    """
    width = HEAD_SIZE * depth
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": vocab_size,
        "hidden_size": width,
        "intermediate_size": -(-width * 8 // 3 // 64) * 64,
        "num_hidden_layers": depth,
        "num_attention_heads": depth,
        "num_key_value_heads": depth,
        "head_dim": HEAD_SIZE,
        "max_position_embeddings": max_position,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "initializer_range": 0.02,
        "use_cache": True,
    }


def recipe(values: Mapping[str, Any]) -> TrainConfig:
    """How a decoder of this shape is trained.

    Muon's rate holds for any width, as its steps have the same spectral norm (Yang et al. 2023, "A spectral condition
    for feature learning"); Adam's falls with the root of the width.
    """
    base = OptimConfig()
    scale = (WIDTH_OF_RATES / values["hidden_size"]) ** 0.5
    optim = replace(base, embedding_lr=base.embedding_lr * scale, head_lr=base.head_lr * scale)
    return TrainConfig(num_tokens=TOKENS_PER_PARAMETER * num_active(values), optim=optim)


def num_parameters(values: Mapping[str, Any]) -> int:
    """Of the whole model."""
    return num_active(values) + _num_embedded(values)


def num_active(values: Mapping[str, Any]) -> int:
    """Parameters that each token is multiplied with: all but the input embedding, of which it takes one row."""
    width, depth = values["hidden_size"], values["num_hidden_layers"]
    layer = 4 * width**2 + 3 * width * values["intermediate_size"] + 2 * width + 2 * values["head_dim"]
    return int(depth * layer + width + _num_embedded(values))


def flops_per_token(values: Mapping[str, Any], context: int) -> int:
    """Floating point operations of forward and backward pass: 6 per active parameter (Kaplan et al. 2020, section
    2.1), and those of causal attention over whole rows of `context` tokens, a half of which is looked at on average."""
    attention = 6 * values["num_hidden_layers"] * values["hidden_size"] * context
    return 6 * num_active(values) + int(attention)


def _num_embedded(values: Mapping[str, Any]) -> int:
    return int(values["vocab_size"] * values["hidden_size"])

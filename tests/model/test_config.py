"""config.json in all its spellings."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owngpt.errors import CheckpointError
from owngpt.model.config import LayerConfig, ModelConfig
from owngpt.model.rope import RopeConfig

SHAPE = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
}


def config(architecture: str = "LlamaForCausalLM", **values: Any) -> ModelConfig:
    return ModelConfig.from_dict({"architectures": [architecture], **SHAPE, **values})


def windows(read: ModelConfig) -> list[int | None]:
    return [layer.window for layer in read.layers]


def rotates(read: ModelConfig) -> list[bool]:
    return [layer.rope is not None for layer in read.layers]


def test_old_and_new_rope_are_the_same() -> None:
    scaling = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    old = config(rope_theta=500_000.0, rope_scaling={"rope_type": "llama3", **scaling})
    new = config(rope_parameters={"rope_type": "llama3", "rope_theta": 500_000.0, **scaling})
    assert old == new
    assert old.layers[0].rope == RopeConfig(500_000.0, "llama3", 8.0, 64, 1.0, 4.0)


def test_the_oldest_rope_says_type() -> None:
    assert config(rope_scaling={"type": "linear", "factor": 2}).layers[0].rope == RopeConfig(
        kind="linear", factor=2.0, original_max_position=2048
    )


def test_windows_of_mistral() -> None:
    assert windows(config("MistralForCausalLM")) == [4096] * 4  # what its first release means by leaving it out
    assert windows(config("MistralForCausalLM", sliding_window=None)) == [None] * 4
    assert windows(config("MistralForCausalLM", sliding_window=8)) == [8] * 4


def test_windows_of_qwen_need_their_switch() -> None:
    assert windows(config("Qwen2ForCausalLM", sliding_window=8, max_window_layers=2)) == [None] * 4
    on = config("Qwen2ForCausalLM", sliding_window=8, max_window_layers=2, use_sliding_window=True)
    assert windows(on) == [None, None, 8, 8]


def test_positions_of_smollm3() -> None:
    assert rotates(config("SmolLM3ForCausalLM")) == [True, True, True, False]
    assert rotates(config("SmolLM3ForCausalLM", no_rope_layers=[0, 1, 0, 1, 1])) == [False, True, False, True]


def test_gemma3_as_first_released() -> None:
    """The 4B checkpoint's config.json holds what differs from the defaults, inside text_config."""
    text = {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "model_type": "gemma3_text",
        "num_hidden_layers": 12,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    }
    read = ModelConfig.from_dict({"architectures": ["Gemma3ForConditionalGeneration"], "text_config": text})
    near, far = RopeConfig(10_000.0, original_max_position=131072), RopeConfig(1_000_000.0, "linear", 8.0, 131072)
    local, overall = LayerConfig(1024, near), LayerConfig(None, far)
    assert read.layers == ((local,) * 5 + (overall,)) * 2
    assert (read.num_heads, read.num_kv_heads, read.head_dim, read.vocab_size) == (8, 4, 256, 262208)
    assert (read.is_tied, read.attention_scale, read.embedding_scale) == (True, 256**-0.5, 2560**0.5)


def test_gpt_oss_as_first_released() -> None:
    """The 20B checkpoint's config.json."""
    scaling = {"beta_fast": 32.0, "beta_slow": 1.0, "factor": 32.0, "rope_type": "yarn", "truncate": False}
    read = config(
        "GptOssForCausalLM",
        attention_bias=True,
        experts_per_token=4,
        head_dim=64,
        hidden_act="silu",
        max_position_embeddings=131072,
        num_experts_per_tok=4,
        num_key_value_heads=2,
        num_local_experts=32,
        quantization_config={"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]},
        rms_norm_eps=1e-05,
        rope_scaling={**scaling, "original_max_position_embeddings": 4096},
        rope_theta=150000,
        sliding_window=128,
        swiglu_limit=7.0,
    )
    rope = read.layers[0].rope
    assert rope is not None
    assert (rope.theta, rope.kind, rope.factor, rope.original_max_position) == (150_000.0, "yarn", 32.0, 4096)
    assert (rope.is_truncated, round(rope.magnitude, 6)) == (False, 1.346574)
    assert read.layers == (LayerConfig(128, rope, is_moe=True), LayerConfig(None, rope, is_moe=True)) * 2
    assert (read.num_experts, read.experts_per_token, read.expert_size) == (32, 4, 96)
    assert (read.router_kind, read.activation, read.swiglu_limit) == ("choice_first", "clamped_swiglu", 7.0)
    assert (read.has_sinks, read.has_router_bias, read.has_expert_bias, read.has_o_bias) == (True,) * 4


def test_layers_of_qwen3_moe() -> None:
    read = config("Qwen3MoeForCausalLM", num_experts=16, norm_topk_prob=True, num_key_value_heads=2)
    assert [layer.is_moe for layer in read.layers] == [True] * 4
    assert (read.num_experts, read.experts_per_token, read.expert_size) == (16, 8, 768)
    assert (read.router_kind, read.is_router_normalized, read.activation) == ("softmax_first", True, "silu")
    mixed = config("Qwen3MoeForCausalLM", decoder_sparse_step=2, mlp_only_layers=[3], num_key_value_heads=2)
    assert [layer.is_moe for layer in mixed.layers] == [False, True, False, False]
    assert not any(layer.is_moe for layer in config("Qwen3ForCausalLM", num_experts=16).layers)


def test_model_type_will_do() -> None:
    assert ModelConfig.from_dict({"model_type": "qwen3", **SHAPE}).architecture == "Qwen3ForCausalLM"


_MIXTURE = {"architectures": ["Qwen3MoeForCausalLM"]}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"architectures": ["MixtralForCausalLM"]}, "architecture MixtralForCausalLM is not supported"),
        ({"architectures": ["BertModel"]}, "architecture BertModel is not supported"),
        ({"architectures": [], "model_type": "mamba"}, "architecture mamba is not supported"),
        ({"architectures": None}, "names no architecture"),
        ({"quantization_config": {"quant_method": "fp8"}}, "quant_method: 'fp8' is not supported, only GPTQ and AWQ"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 3}}, "bits: 3 is not supported"),
        ({"quantization_config": {"quant_method": "gptq", "checkpoint_format": "marlin"}}, "'marlin' is not supported"),
        ({"quantization_config": {"quant_method": "awq", "version": "gemv"}}, "version: 'gemv' is not supported"),
        ({"quantization_config": {"quant_method": "awq", "group_size": 16}}, "group_size: 16 is not supported"),
        ({"quantization_config": {"quant_method": "mxfp4"}}, "mxfp4 weights are not supported in this architecture"),
        ({"quantization_config": "awq"}, "quantization_config: 'awq' is not an object"),
        ({**_MIXTURE, "num_experts_per_tok": 200}, "num_experts_per_tok: 200 is not a whole number from 1 to 128"),
        ({**_MIXTURE, "num_experts": 0}, "num_experts: 0 is not a whole number"),
        ({**_MIXTURE, "num_experts": 10**6}, "num_experts: 1000000 is not a whole number from 1 to "),
        ({**_MIXTURE, "mlp_only_layers": 3}, "mlp_only_layers: 3 is not a list of layers"),
        ({"rope_scaling": {"rope_type": "longrope", "factor": 4.0}}, "rope type 'longrope' is unknown"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
        ({"rope_theta": "many"}, "rope parameters .*many"),
        ({"hidden_act": "relu6"}, "hidden_act: 'relu6' is not supported"),
        ({"layer_types": ["chunked_attention"] * 4}, "layer_types: 'chunked_attention' is not supported"),
        ({"layer_types": ["full_attention"]}, "layer_types: expected a list of 4"),
        ({"vocab_size": None}, "vocab_size: None is not a whole number"),
        ({"vocab_size": 10**30}, "vocab_size: 10+ is not a whole number"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers: 1000000"),
        ({"num_key_value_heads": 3}, "num_key_value_heads: 4 attention heads cannot share 3"),
        ({"head_dim": 15}, "head_dim: 15 is odd"),
        ({"rms_norm_eps": "tiny"}, "rms_norm_eps: 'tiny' is not a positive number"),
        ({"attention_bias": "yes"}, "attention_bias: 'yes' is not true or false"),
        ({"attn_logit_softcapping": 50.0}, "attn_logit_softcapping"),
    ],
)
def test_what_is_not_supported_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(CheckpointError, match=named) as caught:
        config(**{"architectures": ["LlamaForCausalLM"], **values})
    assert str(caught.value).startswith("config.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, None])
def test_an_unreadable_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        ModelConfig.from_folder(tmp_path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_value_is_read_or_refused(checkpoint: Callable[[str], Path], data: st.DataObject) -> None:
    family = data.draw(st.sampled_from(["llama", "qwen2-window", "smollm3", "gemma3", "qwen3-moe", "gpt-oss-mxfp4"]))
    values = json.loads((checkpoint(family) / "config.json").read_text())
    key = data.draw(st.sampled_from(sorted({*values, "rope_theta", "rope_scaling", "sliding_window"})))
    value = data.draw(_JSON)
    with suppress(CheckpointError):
        assert ModelConfig.from_dict({**values, key: value}).num_layers > 0

"""ModelConfig: what one decoder is, read from the config.json of a Hugging Face folder.

The families differ in data only: which projections have biases, which layers look how far back, how positions are
rotated. `Transformer` reads this and knows no family by name. Both spellings of transformers are read: the old
`rope_theta` + `rope_scaling`, and `rope_parameters` of version 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from owngpt.errors import CheckpointError
from owngpt.model import activations
from owngpt.model.activations import Activation
from owngpt.model.quantization import read_quantization
from owngpt.model.rope import RopeConfig
from owngpt.model.values import Values, architecture, read_json

RouterKind = Literal["softmax_first", "choice_first"]
"""What a router does with its logits, one per expert: a softmax over all of them, of which the largest are chosen
(Qwen3-MoE), or the choice of the largest, then a softmax over those alone (gpt-oss). Ties go to the lower expert."""
ExpertLayout = Literal["split", "fused", "mxfp4"]
"""How a checkpoint stores the experts of a layer. split: a gate, an up and a down projection for each, as those of an
MLP. fused: all in two tensors, inputs before outputs, where gate and up take turns, output by output. mxfp4: the same,
outputs before inputs, as 4-bit blocks with their scales (see `mxfp4`)."""
_MOST_EXPERTS = 2**16  # of all layers together; several times what the largest models have


@dataclass(frozen=True, slots=True)
class LayerConfig:
    """How one layer attends, and which kind of MLP it has."""

    window: int | None = None  # a token sees itself and the window - 1 tokens before it; None: all of them
    rope: RopeConfig | None = None  # None: no positional encoding (NoPE)
    is_moe: bool = False  # its MLP is a mixture of `num_experts`, each of width `expert_size`


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything that shapes a decoder. Build it with `from_folder` or `from_dict`, so that it is checked."""

    architecture: str  # as in config.json: "Qwen3ForCausalLM"
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    max_position: int  # tokens that the positions reach
    layers: tuple[LayerConfig, ...]
    norm_eps: float
    attention_scale: float
    activation: Activation = "silu"
    swiglu_alpha: float = 1.702  # for the activation clamped_swiglu only
    swiglu_limit: float = 7.0
    has_qkv_bias: bool = False
    has_o_bias: bool = False
    has_mlp_bias: bool = False
    has_qk_norm: bool = False  # RMSNorm on each head of q and k, before the rotation
    has_sinks: bool = False  # one logit per head that takes part in the softmax of attention and has no value
    has_post_norms: bool = False  # also a norm after attention and after the MLP (Gemma)
    is_norm_offset: bool = False  # norms multiply by 1 + weight (Gemma)
    embedding_scale: float = 1.0
    logit_softcap: float | None = None  # logits become cap * tanh(logits / cap)
    is_tied: bool = False  # the output projection is the embedding
    num_experts: int = 0  # of each layer that `is_moe`; 0: no layer is
    experts_per_token: int = 0  # how many of them a token goes through
    expert_size: int = 0  # width of one expert, as `intermediate_size` is that of an MLP
    router_kind: RouterKind = "softmax_first"
    is_router_normalized: bool = False  # with softmax_first: the weights of the chosen are made to add up to 1
    has_router_bias: bool = False
    has_expert_bias: bool = False  # on gate, up and down of every expert
    expert_layout: ExpertLayout = "split"

    @property
    def num_layers(self) -> int:
        return len(self.layers)

    @classmethod
    def from_folder(cls, folder: Path) -> ModelConfig:
        """Read `folder/config.json`. `CheckpointError` names the file, and the value that is not supported."""
        return cls.from_dict(read_json(folder / "config.json"), source=str(folder / "config.json"))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str = "config.json") -> ModelConfig:
        """The content of a config.json -> a config. `source` is what error messages call it."""
        return _Reader.open(values, source).config()


@dataclass(frozen=True, slots=True)
class _Family:
    """What an architecture does that its config.json does not say, and the defaults for what it leaves out."""

    defaults: Mapping[str, Any] = field(default_factory=dict)
    biases: tuple[bool | str, bool | str, bool | str] = (False, False, False)  # qkv, o, mlp; or the key that says
    has_qk_norm: bool = False
    has_experts: bool = False
    is_gemma: bool = False  # the four norms, their offset and the embedding scale always come together
    is_gpt_oss: bool = False  # as do sinks, the clamped SwiGLU, and the biases of routers and experts


_GEMMA3 = _Family(
    defaults={
        "vocab_size": 262208,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "hidden_act": "gelu_pytorch_tanh",
        "max_position_embeddings": 131072,
        "tie_word_embeddings": True,
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
        "sliding_window_pattern": 6,
        "rope_theta": 1_000_000.0,
        "rope_local_base_freq": 10_000.0,
    },
    biases=("attention_bias", "attention_bias", False),
    has_qk_norm=True,
    is_gemma=True,
)
FAMILIES: Mapping[str, _Family] = {
    "LlamaForCausalLM": _Family(
        {"max_position_embeddings": 2048}, biases=("attention_bias", "attention_bias", "mlp_bias")
    ),
    "MistralForCausalLM": _Family({"max_position_embeddings": 131072, "sliding_window": 4096}),
    "Qwen2ForCausalLM": _Family({"max_position_embeddings": 32768}, biases=(True, False, False)),
    "Qwen3ForCausalLM": _Family(
        {"max_position_embeddings": 32768, "head_dim": 128},
        biases=("attention_bias", "attention_bias", False),
        has_qk_norm=True,
    ),
    "SmolLM3ForCausalLM": _Family(
        {
            "max_position_embeddings": 32768,
            "rope_theta": 2_000_000.0,
            "tie_word_embeddings": True,
            "no_rope_layer_interval": 4,
        },
        biases=("attention_bias", "attention_bias", "mlp_bias"),
    ),
    "Gemma3ForCausalLM": _GEMMA3,
    "Gemma3ForConditionalGeneration": _GEMMA3,
    "Qwen3MoeForCausalLM": _Family(
        {
            "max_position_embeddings": 32768,
            "num_key_value_heads": 4,
            "num_local_experts": 128,
            "num_experts_per_tok": 8,
            "moe_intermediate_size": 768,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
        },
        biases=("attention_bias", "attention_bias", False),
        has_qk_norm=True,
        has_experts=True,
    ),
    "GptOssForCausalLM": _Family(
        {
            "rms_norm_eps": 1e-5,
            "max_position_embeddings": 131072,
            "num_key_value_heads": 8,
            "head_dim": 64,
            "attention_bias": True,
            "sliding_window": 128,
            "num_local_experts": 128,
            "num_experts_per_tok": 4,
            "rope_theta": 150_000.0,
            "rope_parameters": {
                "rope_type": "yarn",
                "factor": 32.0,
                "truncate": False,
                "original_max_position_embeddings": 4096,
            },
        },
        biases=("attention_bias", "attention_bias", False),
        has_experts=True,
        is_gpt_oss=True,
    ),
}
_BY_MODEL_TYPE = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "smollm3": "SmolLM3ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "gemma3": "Gemma3ForConditionalGeneration",
    "gpt_oss": "GptOssForCausalLM",
}
_COMMON: Mapping[str, Any] = {
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
    "tie_word_embeddings": False,
    "hidden_act": "silu",
    "max_window_layers": 28,
}


@dataclass(frozen=True, slots=True)
class _Reader(Values):
    """One config.json with its family's defaults."""

    architecture: str
    family: _Family

    @classmethod
    def open(cls, values: Mapping[str, Any], source: str) -> _Reader:
        name = _known_architecture(values, source)
        family = FAMILIES[name]
        _check_quantization(values, source, family)
        text = values.get("text_config")
        if isinstance(text, dict):  # a multimodal checkpoint: its text part is the decoder
            values = {"tie_word_embeddings": values.get("tie_word_embeddings"), **text}
        given = {key: value for key, value in values.items() if value is not None or key in _NONE_MEANS_OFF}
        return cls({**_COMMON, **family.defaults, **given}, source, name, family)

    def config(self) -> ModelConfig:
        num_heads = self.integer("num_attention_heads")
        num_kv_heads = self.integer("num_key_value_heads", num_heads)
        hidden_size = self.integer("hidden_size")
        head_dim = self.integer("head_dim", max(1, hidden_size // num_heads))
        if num_heads % num_kv_heads:
            raise self.error("num_key_value_heads", f"{num_heads} attention heads cannot share {num_kv_heads}")
        if head_dim % 2:
            raise self.error("head_dim", f"{head_dim} is odd; rotary positions need an even one")
        has_qkv_bias, has_o_bias, has_mlp_bias = (
            self.flag(bias) if isinstance(bias, str) else bias for bias in self.family.biases
        )
        return ModelConfig(
            architecture=self.architecture,
            vocab_size=self.integer("vocab_size"),
            hidden_size=hidden_size,
            intermediate_size=self.integer("intermediate_size"),
            num_heads=num_heads,
            num_kv_heads=num_kv_heads,
            head_dim=head_dim,
            max_position=self.integer("max_position_embeddings"),
            layers=self.layers(),
            norm_eps=self.number("rms_norm_eps"),
            attention_scale=self.number("query_pre_attn_scalar", head_dim) ** -0.5,
            activation=self.activation(),
            has_qkv_bias=has_qkv_bias,
            has_o_bias=has_o_bias,
            has_mlp_bias=has_mlp_bias,
            has_qk_norm=self.family.has_qk_norm,
            has_post_norms=self.family.is_gemma,
            is_norm_offset=self.family.is_gemma,
            embedding_scale=hidden_size**0.5 if self.family.is_gemma else 1.0,
            logit_softcap=self.logit_softcap(),
            is_tied=self.flag("tie_word_embeddings"),
            **(self.mixture() if self.family.has_experts else {}),
        )

    def mixture(self) -> dict[str, Any]:
        """The fields of `ModelConfig` that describe routers and experts."""
        is_gpt_oss = self.family.is_gpt_oss
        name = "num_experts" if "num_experts" in self.values else "num_local_experts"
        num_experts = self.integer(name, maximum=_MOST_EXPERTS // self.num_layers())
        return {
            "num_experts": num_experts,
            "experts_per_token": self.integer("num_experts_per_tok", maximum=num_experts),
            "expert_size": self.integer("intermediate_size" if is_gpt_oss else "moe_intermediate_size"),
            "router_kind": "choice_first" if is_gpt_oss else "softmax_first",
            "is_router_normalized": self.flag("norm_topk_prob"),
            "has_router_bias": is_gpt_oss,
            "has_expert_bias": is_gpt_oss,
            "expert_layout": self.expert_layout(),
            "has_sinks": is_gpt_oss,
            "swiglu_alpha": self.number("swiglu_alpha", 1.702),
            "swiglu_limit": self.number("swiglu_limit", 7.0),
        }

    def expert_layout(self) -> ExpertLayout:
        if not self.family.is_gpt_oss:
            return "split"
        return "fused" if self.values.get("quantization_config") is None else "mxfp4"

    def layers(self) -> tuple[LayerConfig, ...]:
        kinds, has_rope, window = self.layer_kinds(), self.has_rope(), self.values.get("sliding_window")
        is_windowed = window is not None and (
            self.family.is_gemma
            or self.family.is_gpt_oss
            or self.architecture == "MistralForCausalLM"
            or self.flag("use_sliding_window")
        )
        size = self.integer("sliding_window") if is_windowed else None
        return tuple(
            LayerConfig(
                window=size if kind == "sliding_attention" else None,
                rope=self.rope(kind) if rotates else None,
                is_moe=self.is_moe(layer),
            )
            for layer, (kind, rotates) in enumerate(zip(kinds, has_rope, strict=True))
        )

    def num_layers(self) -> int:
        return self.integer("num_hidden_layers", maximum=1024)

    def layer_kinds(self) -> list[str]:
        """`sliding_attention` or `full_attention`, per layer."""
        count = self.num_layers()
        if self.architecture == "MistralForCausalLM":
            return ["sliding_attention"] * count
        given = self.values.get("layer_types")
        if given is None:
            return [self.default_kind(layer) for layer in range(count)]
        if not isinstance(given, list) or len(given) != count:
            raise self.error("layer_types", f"expected a list of {count} names")
        for kind in given:
            if kind not in ("sliding_attention", "full_attention"):
                raise self.error("layer_types", f"{kind!r} is not supported")
        return given

    def default_kind(self, layer: int) -> str:
        if self.family.is_gemma:
            is_sliding = (layer + 1) % self.integer("sliding_window_pattern") != 0
        elif self.family.is_gpt_oss:
            is_sliding = layer % 2 == 0
        elif self.architecture == "SmolLM3ForCausalLM":
            is_sliding = not self.has_rope()[layer]
        else:
            is_sliding = self.architecture.startswith("Qwen") and layer >= self.integer("max_window_layers", minimum=0)
        return "sliding_attention" if is_sliding else "full_attention"

    def is_moe(self, layer: int) -> bool:
        if not self.family.has_experts or self.family.is_gpt_oss:
            return self.family.has_experts
        dense = self.values["mlp_only_layers"]
        if not isinstance(dense, list):
            raise self.error("mlp_only_layers", f"{dense!r} is not a list of layers")
        return layer not in dense and (layer + 1) % self.integer("decoder_sparse_step") == 0

    def has_rope(self) -> list[bool]:
        count = self.num_layers()
        if self.architecture != "SmolLM3ForCausalLM":
            return [True] * count
        given = self.values.get("no_rope_layers")  # despite its name, 1 is a layer with rotary positions
        if given is None:
            interval = self.integer("no_rope_layer_interval")
            return [(layer + 1) % interval != 0 for layer in range(count)]
        if not isinstance(given, list) or len(given) < count:
            raise self.error("no_rope_layers", f"expected a list of {count} numbers")
        return [bool(rotates) for rotates in given[:count]]

    def rope(self, kind: str) -> RopeConfig:
        """The rotation of the layers of one kind."""
        values = dict(self.rope_values(kind))
        values.setdefault("rope_theta", self.values["rope_theta"])
        values.setdefault("original_max_position_embeddings", self.values["max_position_embeddings"])
        try:
            return RopeConfig.from_dict(values, max_position=self.integer("max_position_embeddings"))
        except (ValueError, TypeError, ArithmeticError) as error:
            raise CheckpointError(f"{self.source}: rope parameters {values} are not supported: {error}") from error

    def rope_values(self, kind: str) -> Mapping[str, Any]:
        new = self.mapping("rope_parameters")
        if isinstance(new.get(kind), dict):
            nested: Mapping[str, Any] = new[kind]
            new = nested
        elif "full_attention" in new or "sliding_attention" in new:
            new = {}
        if self.family.is_gemma and kind == "sliding_attention":
            return {"rope_theta": self.values["rope_local_base_freq"], **new}  # never scaled
        return {**new, **self.mapping("rope_scaling")}

    def activation(self) -> Activation:
        if self.family.is_gpt_oss:
            return "clamped_swiglu"  # its config.json says silu
        key = "hidden_activation" if "hidden_activation" in self.values else "hidden_act"
        name: Activation = self.choice(key, activations.NAMES)
        return name

    def logit_softcap(self) -> float | None:
        if self.values.get("attn_logit_softcapping") is not None:
            raise self.error("attn_logit_softcapping", "capped attention scores are not supported")
        if self.values.get("use_bidirectional_attention"):
            raise self.error("use_bidirectional_attention", "only causal decoders are supported")
        return None if self.values.get("final_logit_softcapping") is None else self.number("final_logit_softcapping")


def _check_quantization(values: Mapping[str, Any], source: str, family: _Family) -> None:
    quantization = read_quantization(values, source)
    if quantization is not None and (quantization.method == "mxfp4") != family.is_gpt_oss:
        raise CheckpointError(f"{source}: {quantization.method} weights are not supported in this architecture")


_NONE_MEANS_OFF = frozenset({"sliding_window"})  # elsewhere null means: take the default


def _known_architecture(values: Mapping[str, Any], source: str) -> str:
    name = architecture(values, source)
    name = _BY_MODEL_TYPE.get(name, name)
    if name not in FAMILIES:
        raise CheckpointError(f"{source}: architecture {name} is not supported; supported: {', '.join(FAMILIES)}")
    return name

"""The decoder: every family of `ModelConfig`, one piece of code. Parameters have their Hugging Face names.

Shapes: T tokens of a step (all sequences, flattened), E hidden size, H query heads, K key/value heads,
D head dimension, N rows that logits are asked for, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from owngpt.model import mxfp4
from owngpt.model.attention import Attention
from owngpt.model.config import ModelConfig
from owngpt.model.experts import MixtureOfExperts
from owngpt.model.mlp import MLP, linear
from owngpt.model.rope import RopeConfig, RopeTable


class Transformer(nn.Module):
    """Tokens -> hidden states -> logits. It keeps nothing between calls; what is cached is the attention's.

    A new one has no values yet: `weights.load_model` reads them, `init_weights` draws them.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config, index) for index in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config)
        self.lm_head = None if config.is_tied else linear(config.hidden_size, config.vocab_size, has_bias=False)

    @property
    def dtype(self) -> torch.dtype:
        return self.norm.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.norm.weight.device

    def forward(self, tokens_T: Tensor, positions_T: Tensor, attention: Attention) -> Tensor:
        """-> hidden_TE, after the final norm. `positions_T` count from 0 in each sequence."""
        hidden_TE = self.embed_tokens(tokens_T)
        if self.config.embedding_scale != 1.0:
            hidden_TE = hidden_TE * torch.tensor(self.config.embedding_scale, dtype=hidden_TE.dtype)
        tables = self._rope_tables(positions_T)
        for layer in self.layers:
            hidden_TE = layer(hidden_TE, tables, attention)
        normed_TE: Tensor = self.norm(hidden_TE)
        return normed_TE

    def logits(self, hidden_NE: Tensor) -> Tensor:
        """logits_NV in float32, for the rows that are asked for."""
        if self.lm_head is None:
            logits_NV = F.linear(hidden_NE, self.embed_tokens.weight).float()
        else:
            logits_NV = self.lm_head(hidden_NE).float()
        cap = self.config.logit_softcap
        return logits_NV if cap is None else cap * torch.tanh(logits_NV / cap)

    @torch.no_grad()
    def init_weights(self, seed: int = 0, std: float = 0.02) -> None:
        """Deterministic random weights: matrices are random with `std`, biases and sinks zero, norms the identity."""
        generator = torch.Generator(self.device).manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.dtype == torch.uint8:
                mxfp4.init_(parameter, std, generator)
            elif name.endswith(("bias", "sinks")) or (parameter.dim() == 1 and self.config.is_norm_offset):
                parameter.zero_()
            elif parameter.dim() > 1:
                parameter.normal_(0.0, std, generator=generator)
            else:
                parameter.fill_(1.0)

    def _rope_tables(self, positions_T: Tensor) -> dict[RopeConfig, RopeTable]:
        ropes = {layer.rope for layer in self.config.layers if layer.rope is not None}
        return {rope: RopeTable.at(positions_T, rope, self.config.head_dim, self.dtype) for rope in ropes}


class DecoderLayer(nn.Module):
    """Attention, then the MLP, each added to the stream."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config, index)
        self.mlp: nn.Module = (
            MixtureOfExperts(config)
            if config.layers[index].is_moe
            else MLP(config, config.intermediate_size, has_bias=config.has_mlp_bias)
        )
        self.input_layernorm = RMSNorm(config.hidden_size, config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config)
        self.has_post_norms = config.has_post_norms
        if config.has_post_norms:
            self.pre_feedforward_layernorm = RMSNorm(config.hidden_size, config)
            self.post_feedforward_layernorm = RMSNorm(config.hidden_size, config)

    def forward(self, x_TE: Tensor, tables: dict[RopeConfig, RopeTable], attention: Attention) -> Tensor:
        attended_TE = self.self_attn(self.input_layernorm(x_TE), tables, attention)
        if self.has_post_norms:
            x_TE = x_TE + self.post_attention_layernorm(attended_TE)
            x_TE = x_TE + self.post_feedforward_layernorm(self.mlp(self.pre_feedforward_layernorm(x_TE)))
        else:
            x_TE = x_TE + attended_TE
            x_TE = x_TE + self.mlp(self.post_attention_layernorm(x_TE))
        return x_TE


class SelfAttention(nn.Module):
    """The projections around attention."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.index = index
        self.head_dim = config.head_dim
        self.rope = config.layers[index].rope
        width, kv_width = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
        self.q_proj = linear(config.hidden_size, width, has_bias=config.has_qkv_bias)
        self.k_proj = linear(config.hidden_size, kv_width, has_bias=config.has_qkv_bias)
        self.v_proj = linear(config.hidden_size, kv_width, has_bias=config.has_qkv_bias)
        self.o_proj = linear(width, config.hidden_size, has_bias=config.has_o_bias)
        self.sinks = nn.Parameter(torch.empty(config.num_heads)) if config.has_sinks else None
        self.q_norm = RMSNorm(config.head_dim, config) if config.has_qk_norm else None
        self.k_norm = RMSNorm(config.head_dim, config) if config.has_qk_norm else None

    def forward(self, x_TE: Tensor, tables: dict[RopeConfig, RopeTable], attention: Attention) -> Tensor:
        q_THD, k_TKD, v_TKD = (
            project(x_TE).view(len(x_TE), -1, self.head_dim) for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        if self.q_norm is not None and self.k_norm is not None:
            q_THD, k_TKD = self.q_norm(q_THD), self.k_norm(k_TKD)
        if self.rope is not None:
            table = tables[self.rope]
            q_THD, k_TKD = table.rotate(q_THD), table.rotate(k_TKD)
        o_TE: Tensor = self.o_proj(attention(self.index, q_THD, k_TKD, v_TKD, self.sinks).flatten(1))
        return o_TE


class RMSNorm(nn.Module):
    """Root mean square norm (Zhang and Sennrich 2019) over the last dimension."""

    def __init__(self, size: int, config: ModelConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size) if config.is_norm_offset else torch.ones(size))
        self.eps = config.norm_eps
        self.is_offset = config.is_norm_offset

    def forward(self, x: Tensor) -> Tensor:
        if self.is_offset:  # in float32 throughout, as the reference does
            return F.rms_norm(x.float(), self.weight.shape, 1.0 + self.weight.float(), self.eps).to(x.dtype)
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


def embedding(num_rows: int, size: int) -> nn.Embedding:
    """Without initial values: drawing them on the meta device imports torch's compiler, which takes over a second."""
    return nn.Embedding(num_rows, size, _weight=torch.empty(num_rows, size))

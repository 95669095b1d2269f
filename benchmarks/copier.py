"""Weights of the shape that copy: the next token is the one that stands a fixed distance back, some tokens renamed.

Random weights quote nothing, and a trained model of this size that edits files would have to be fetched. So the
quoting is built in, and everything else stays as random weights have it: same shape, same arithmetic, real text, real
logits, from which the engine chooses as always. What a draft is worth is then decided by the text alone: where a copy
renames something, or where a phrase occurs twice and goes on differently, a draft that was guessed from the text is
wrong, and the model says so.

How: in layer 0, one head asks with a constant query, turned by RoPE so that exactly one distance answers (Su et al.
2021, RoFormer: a score depends on the distance only). It brings back the code of the token it finds, random signs, as
large as it needs to be to outweigh everything else at the head of the model.

Shapes: V vocabulary, E hidden size, C code, D head dimension.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.shape import CONFIG, random_weights, write_config, write_weights

CODE = CONFIG["head_dim"]
OWN, FOUND = (
    slice(1, 1 + CODE),
    slice(1 + CODE, 1 + 2 * CODE),
)  # in the stream: whose token it is; what copies say of it
GAIN = 10.0  # of what is brought back over the token itself
SHARPNESS = 6.0  # scale of queries and of keys: a score of about 150 at the right distance, far less elsewhere
PAIRS = 24  # the fastest turning ones; they tell distances apart up to tens of thousands
SILENCE = 1e-4  # of what all other heads and layers add


def write_copier(folder: Path, distance: int, renamed: Mapping[int, int], *, tiny: bool = False) -> Path:
    """A folder whose model continues with the token that stood `distance` before, if it is in `renamed` with that."""
    if not (folder / "model.safetensors").exists():
        write_config(folder, tiny=tiny)
        weights = random_weights(folder)
        _silence(weights)
        _name_tokens(weights["model.embed_tokens.weight"], renamed)
        _look_back(weights, distance)
        write_weights(folder, weights)
    return folder


def _silence(weights: Mapping[str, Tensor]) -> None:
    """What attention and MLP of each layer add is next to nothing, at the same cost."""
    for name, weight in weights.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weight *= SILENCE


def _name_tokens(embed_VE: Tensor, renamed: Mapping[int, int]) -> None:
    """Each token: a constant, its own code, and the code of what it becomes in a copy."""
    signs = torch.randint(2, (len(embed_VE), CODE), generator=torch.Generator().manual_seed(1))
    code_VC = (2 * signs - 1).to(embed_VE.dtype)
    becomes_V = torch.arange(len(embed_VE))
    becomes_V[list(renamed)] = torch.tensor(list(renamed.values()), dtype=torch.int64)
    embed_VE.zero_()
    embed_VE[:, 0] = 1
    embed_VE[:, OWN], embed_VE[:, FOUND] = code_VC, code_VC[becomes_V]


def _look_back(weights: Mapping[str, Tensor], distance: int) -> None:
    """The first head of layer 0."""
    layer = "model.layers.0.self_attn"
    query_D, key_D, sharpness_D = _pointing(distance)
    weights[f"{layer}.q_norm.weight"].copy_(sharpness_D)
    weights[f"{layer}.k_norm.weight"].copy_(sharpness_D)
    for name, direction_D in (("q_proj", query_D), ("k_proj", key_D)):
        head_DE = weights[f"{layer}.{name}.weight"][:CODE]
        head_DE.zero_()
        head_DE[:, 0] = direction_D
    value_DE, out_EHD = weights[f"{layer}.v_proj.weight"][:CODE], weights[f"{layer}.o_proj.weight"]
    value_DE.zero_()
    value_DE[:, FOUND] = torch.eye(CODE, dtype=value_DE.dtype)
    out_EHD[:, :CODE] = 0
    out_EHD[OWN, :CODE] = GAIN * torch.eye(CODE, dtype=value_DE.dtype)


def _pointing(distance: int) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and their scales, such that after RoPE the score is greatest at that distance."""
    turns = CONFIG["rope_theta"] ** -(torch.arange(CODE // 2, dtype=torch.float64) * 2 / CODE)
    angles = [math.fmod(turn * distance, 2 * math.pi) for turn in turns.tolist()]
    query_D = torch.tensor([*map(math.cos, angles), *(-math.sin(angle) for angle in angles)])
    key_D = torch.cat([torch.ones(CODE // 2), torch.zeros(CODE // 2)])
    fast = (torch.arange(CODE // 2) < PAIRS).float()
    return query_D, key_D, SHARPNESS * torch.cat([fast, fast])

"""Rotary positions: q and k are rotated by angles that grow with the position, so that scores see distances.

Su et al., "RoFormer" (2021); scaled for longer contexts: linear (Chen et al. 2023), YaRN (Peng et al. 2023) and the
one of Llama 3.1. Shapes: T tokens, H heads, D head dimension.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class RopeConfig:
    """How angles are made. Which fields matter depends on `kind`."""

    theta: float = 10_000.0
    kind: str = "default"
    factor: float = 1.0  # how many times longer the context became
    original_max_position: int = 0  # before that
    low_freq_factor: float = 1.0  # llama3
    high_freq_factor: float = 4.0
    beta_fast: float = 32.0  # yarn
    beta_slow: float = 1.0
    is_truncated: bool = True
    magnitude: float = 1.0  # yarn multiplies cos and sin by it
    divisors: tuple[float, ...] = ()  # divisors: what the frequency of each plane is divided by, as GGUF files have it

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, max_position: int) -> RopeConfig:
        """Read a `rope_parameters` object of config.json. `ValueError` names a kind that is not supported."""
        kind = values.get("rope_type", values.get("type", "default"))
        if kind not in _FREQUENCIES:
            raise ValueError(f"rope type {kind!r} is unknown")
        if values.get("partial_rotary_factor") not in (None, 1, 1.0):
            raise ValueError("partial_rotary_factor")
        original = int(values["original_max_position_embeddings"])
        factor = values.get("factor")
        scale = max_position / original if factor is None else float(factor)
        config = cls(
            theta=float(values["rope_theta"]),
            kind=kind,
            factor=scale,
            original_max_position=original,
            low_freq_factor=float(values.get("low_freq_factor", 1.0)),
            high_freq_factor=float(values.get("high_freq_factor", 4.0)),
            beta_fast=float(values.get("beta_fast") or 32.0),
            beta_slow=float(values.get("beta_slow") or 1.0),
            is_truncated=bool(values.get("truncate", True)),
            magnitude=_yarn_magnitude(values, scale) if kind == "yarn" else 1.0,
            divisors=tuple(map(float, values["divisors"])) if kind == "divisors" else (),
        )
        return config._checked()

    def _checked(self) -> RopeConfig:
        if self.theta <= 1 or self.factor <= 0 or self.original_max_position <= 0:
            raise ValueError("theta must be over 1, factor and original_max_position_embeddings over 0")
        if self.kind == "llama3" and not 0 < self.low_freq_factor < self.high_freq_factor:
            raise ValueError("low_freq_factor must be over 0 and under high_freq_factor")
        return self


class RopeTable(NamedTuple):
    """What rotates T tokens. The sine's first half is negated: a rotation is x * cos + roll(x) * sin."""

    cos_T1D: Tensor
    sin_T1D: Tensor

    @classmethod
    def at(cls, positions_T: Tensor, rope: RopeConfig, head_dim: int, dtype: torch.dtype) -> RopeTable:
        """Angles are computed in float32 and then take the dtype of the model."""
        inverse = inverse_frequencies(rope, head_dim, positions_T.device)
        angles_TF = positions_T.float()[:, None] * inverse
        cos, sin = angles_TF.cos() * rope.magnitude, angles_TF.sin() * rope.magnitude
        return cls(
            torch.cat((cos, cos), -1).to(dtype)[:, None],
            torch.cat((-sin, sin), -1).to(dtype)[:, None],
        )

    def rotate(self, x_THD: Tensor) -> Tensor:
        """The two halves of each head are the coordinates of D/2 planes."""
        return torch.addcmul(x_THD * self.cos_T1D, x_THD.roll(x_THD.shape[-1] // 2, -1), self.sin_T1D)


@lru_cache(maxsize=64)
def inverse_frequencies(rope: RopeConfig, head_dim: int, device: torch.device) -> Tensor:
    """Radians per position of each of the D/2 planes, float32."""
    with torch.inference_mode(False):  # a cached tensor must also serve training
        exponents = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
        inverse = _FREQUENCIES[rope.kind](1.0 / rope.theta**exponents, rope, head_dim)
        return inverse.to(device)


def _unscaled(inverse: Tensor, rope: RopeConfig, head_dim: int) -> Tensor:
    return inverse


def _linear(inverse: Tensor, rope: RopeConfig, head_dim: int) -> Tensor:
    return inverse / rope.factor


def _divided(inverse: Tensor, rope: RopeConfig, head_dim: int) -> Tensor:
    return inverse / torch.tensor(rope.divisors)


def _llama3(inverse: Tensor, rope: RopeConfig, head_dim: int) -> Tensor:
    """Slow planes are stretched by the factor, fast ones are kept, and between the two it is blended."""
    turns = rope.original_max_position * inverse / (2 * math.pi)  # in the original context
    share = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor)
    return torch.lerp(inverse / rope.factor, inverse, share.clamp(0, 1))


def _yarn(inverse: Tensor, rope: RopeConfig, head_dim: int) -> Tensor:
    """Like llama3, blended over the planes between `beta_fast` and `beta_slow` turns in the original context."""

    def plane(turns: float) -> float:
        wavelength = rope.original_max_position / (turns * 2 * math.pi)
        return head_dim * math.log(wavelength) / (2 * math.log(rope.theta))

    low, high = plane(rope.beta_fast), plane(rope.beta_slow)
    if rope.is_truncated:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_dim - 1)
    steps = torch.arange(head_dim // 2, dtype=torch.float32)
    share = ((steps - low) / (high - low if high != low else 0.001)).clamp(0, 1)
    return torch.lerp(inverse, inverse / rope.factor, share)


def _yarn_magnitude(values: Mapping[str, Any], factor: float) -> float:
    def grown(scale: float) -> float:
        return 0.1 * scale * math.log(factor) + 1.0 if factor > 1 else 1.0

    if values.get("attention_factor") is not None:
        return float(values["attention_factor"])
    if values.get("mscale") and values.get("mscale_all_dim"):
        return grown(float(values["mscale"])) / grown(float(values["mscale_all_dim"]))
    return grown(1.0)


_FREQUENCIES: Mapping[str, Callable[[Tensor, RopeConfig, int], Tensor]] = {
    "default": _unscaled,
    "dynamic": _unscaled,  # it changes nothing up to max_position_embeddings, and no request goes further
    "linear": _linear,
    "divisors": _divided,
    "llama3": _llama3,
    "yarn": _yarn,
}

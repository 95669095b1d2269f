"""ExpertSource: fused experts of a checkpoint, read one projection of one expert at a time."""

from __future__ import annotations

import re
from typing import NamedTuple

from torch import Tensor

from owngpt.model import mxfp4
from owngpt.model.config import ModelConfig
from owngpt.model.weight_source import Codes, TensorSource

_NAME = re.compile(r"(layers\.\d+\.mlp\.experts)\.(\d+)\.(gate|up|down)_proj\.(weight|bias)")


class _Place(NamedTuple):
    """Where a projection of an expert is among fused ones."""

    parameter: str  # that holds it, with those of all experts
    expert: int
    outputs: slice  # gate and up take turns
    is_bias: bool

    @property
    def share(self) -> int:
        """How many projections of one expert the parameter holds."""
        return self.outputs.step or 1


class ExpertSource:
    """A `WeightSource` in which every expert has projections of its own, whatever the layout of `stored` is."""

    def __init__(self, stored: TensorSource) -> None:
        self.config: ModelConfig = stored.config
        self.dtype = "int4" if stored.config.expert_layout == "mxfp4" else stored.dtype
        self._stored = stored

    @property
    def num_bytes(self) -> int:
        """See `WeightSource`."""
        return self._stored.num_bytes

    def size(self, name: str) -> int:
        """See `WeightSource`."""
        place = _place(name)
        if place is None:
            return self._stored.size(name)
        whole = sum(self._stored.size(parameter) for parameter in self._parameters(place))
        return whole // (self.config.num_experts * place.share)

    def read(self, name: str) -> Tensor | Codes:
        """See `WeightSource`."""
        place = _place(name)
        if place is None:
            return self._stored.read(name)
        tensors = [self._stored.read(parameter)[place.expert] for parameter in self._parameters(place)]
        if place.is_bias:
            return tensors[0][place.outputs]
        if self.dtype == "int4":
            blocks, scales = tensors
            return mxfp4.codes(blocks[place.outputs], scales[place.outputs])
        return tensors[0].T[place.outputs]

    def _parameters(self, place: _Place) -> tuple[str, ...]:
        if place.is_bias or self.dtype != "int4":
            return (place.parameter,)
        return (f"{place.parameter}_blocks", f"{place.parameter}_scales")


def _place(name: str) -> _Place | None:
    """None: it belongs to no expert."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    experts, expert, projection, leaf = found.groups()
    fused = "down_proj" if projection == "down" else "gate_up_proj"
    outputs = {"gate": slice(0, None, 2), "up": slice(1, None, 2), "down": slice(None)}[projection]
    is_bias = leaf == "bias"
    return _Place(f"{experts}.{fused}{'_bias' if is_bias else ''}", int(expert), outputs, is_bias)

"""quantization_config of a config.json: which scheme packed the weights, of those that can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from owngpt.errors import CheckpointError
from owngpt.model.values import Values

SUPPORTED = "GPTQ and AWQ of 4 bits, and the MXFP4 of gpt-oss"


@dataclass(frozen=True, slots=True)
class Quantization:
    """A scheme of 4-bit codes with a scale and a zero for each `group` inputs of an output."""

    method: str  # gptq, awq or mxfp4
    group: int | None = None  # None: all inputs of an output share one
    is_zero_plus_one: bool = False  # zeros are stored less one, as the first format of GPTQ has it


def read_quantization(values: Mapping[str, Any], source: str = "config.json") -> Quantization | None:
    """What the `quantization_config` of a config.json says; None where there is none.

    `CheckpointError` names what is not supported, and what to take instead.
    """
    if values.get("quantization_config") is None:
        return None
    found = Values(Values(values, source).mapping("quantization_config"), f"{source}: quantization_config")
    method = found.values.get("quant_method")
    if method == "mxfp4":
        return Quantization("mxfp4")
    if method not in ("gptq", "awq"):
        raise _unsupported(found, "quant_method", method)
    if found.integer("bits", 4) != 4:
        raise _unsupported(found, "bits", found.values["bits"])
    if method == "awq" and found.values.get("version", "gemm") != "gemm":
        raise _unsupported(found, "version", found.values["version"])
    layout = found.values.get("checkpoint_format", "gptq")
    if method == "gptq" and layout not in ("gptq", "gptq_v2"):
        raise _unsupported(found, "checkpoint_format", layout)
    group = found.integer("group_size", 128, minimum=-1)
    if group != -1 and (group < 32 or group % 32):
        raise _unsupported(found, "group_size", group)
    return Quantization(method, None if group == -1 else group, method == "gptq" and layout == "gptq")


def _unsupported(found: Values, key: str, value: Any) -> CheckpointError:
    return found.error(
        key, f"{value!r} is not supported, only {SUPPORTED}, with groups of 32, 64, ...; else take the bf16 checkpoint"
    )

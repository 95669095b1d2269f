"""What a checkpoint's makers recommend for sampling: `generation_config.json` -> the defaults of its requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from owngpt.errors import CheckpointError
from owngpt.text.tokenizer import read_json
from owngpt.types import SamplingParams

# name there and here -> the smallest and the largest value that make sense
_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 10),
    "top_p": (0, 1),
    "top_k": (0, 2**31 - 1),
    "min_p": (0, 1),
    "repetition_penalty": (0.01, 100),
}


def recommended_sampling(folder: Path) -> SamplingParams:
    """The file's temperature, top_p, top_k, min_p and repetition_penalty; what it leaves open is as at OpenAI.

    Raises `CheckpointError` for a value that cannot be used.
    """
    document = read_json(folder / "generation_config.json")
    found = {name: document[name] for name in _RANGES if document.get(name) is not None}
    for name, value in found.items():
        if not _is_usable(name, value):
            low, high = _RANGES[name]
            raise CheckpointError(
                f"{folder / 'generation_config.json'}: {name} is {value!r}; it must be a number from {low} to {high}"
            )
    return SamplingParams(**found)


def _is_usable(name: str, value: Any) -> bool:
    low, high = _RANGES[name]
    kind = int if name == "top_k" else (int, float)
    return isinstance(value, kind) and not isinstance(value, bool) and low <= value <= high

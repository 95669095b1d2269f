"""Values: a JSON object of a model folder, every value of which is checked as it is read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from owngpt.errors import CheckpointError

LARGEST = 2**24  # no size in a config.json comes near; it keeps a broken one from asking for all memory


@dataclass(frozen=True, slots=True)
class Values:
    """The object, and what error messages call it. Every method raises `CheckpointError` naming file and key."""

    values: Mapping[str, Any]
    source: str

    @classmethod
    def read(cls, path: Path) -> Values:
        return cls(read_json(path), str(path))

    def integer(self, key: str, default: int | None = None, *, minimum: int = 1, maximum: int = LARGEST) -> int:
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise self.error(key, f"{value!r} is not a whole number from {minimum} to {maximum}")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        value = self.values.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
            raise self.error(key, f"{value!r} is not a positive number")
        return float(value)

    def flag(self, key: str) -> bool:
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self.error(key, f"{value!r} is not true or false")
        return value

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.error(key, f"{value!r} is not an object")
        return value

    def choice(self, key: str, choices: Mapping[str, Any], default: str | None = None) -> Any:
        """What `choices` has for the value."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or value not in choices:
            raise self.error(key, f"{value!r} is not supported; supported: {', '.join(choices)}")
        return choices[value]

    def error(self, key: str, reason: str) -> CheckpointError:
        return CheckpointError(f"{self.source}: {key}: {reason}")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file."""
    values = read_any_json(path)
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} holds a {type(values).__name__}; expected an object")
    return values


def read_any_json(path: Path) -> Any:
    """Whatever is in a JSON file. `CheckpointError` when it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing; is {path.parent} the folder of a model?") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def architecture(values: Mapping[str, Any], source: str) -> str:
    """The class that a config.json names, or else its model type."""
    named = values.get("architectures")
    name = named[0] if isinstance(named, list) and named else values.get("model_type")
    if not isinstance(name, str):
        raise CheckpointError(f"{source} names no architecture: it has neither `architectures` nor `model_type`")
    return name

"""Logistic: numbers between 0 and 1 from features, with weights that were fitted elsewhere and lie beside this file.

`weights.json` holds only numbers and where they come from; `owngpt/evals/fitting.py` makes it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Logistic:
    """sigmoid(bias + sum of weight times feature). A feature that it has no weight for counts nothing."""

    bias: float
    weights: Mapping[str, float]

    def __call__(self, features: Mapping[str, float]) -> float:
        """The probability."""
        total = self.bias + math.fsum(self.weights.get(name, 0.0) * value for name, value in features.items())
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))


@lru_cache(maxsize=1)
def bundled() -> Mapping[str, Any]:
    """All that `weights.json` says."""
    text = (resources.files("owngpt.trust") / "weights.json").read_text(encoding="utf-8")
    document: Mapping[str, Any] = json.loads(text)
    return document


def logistic(name: str) -> Logistic:
    """One of the bundled ones: `answers.en`, `supports.ja`, ..."""
    entry = bundled()["logistic"][name]
    return Logistic(entry["bias"], entry["weights"])

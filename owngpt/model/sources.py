"""Which `WeightSource` reads the weights of a folder."""

from __future__ import annotations

from pathlib import Path

from owngpt.model.config import ModelConfig
from owngpt.model.expert_source import ExpertSource
from owngpt.model.weight_source import WeightSource
from owngpt.model.weights import StoredWeights, weight_files


def open_source(folder: Path, config: ModelConfig) -> WeightSource:
    """The folder's weights, whatever their format. `CheckpointError` names what is wrong with them."""
    stored = StoredWeights(folder, config)
    return stored if config.expert_layout == "split" else ExpertSource(stored)


def source_files(folder: Path) -> list[Path]:
    """The files that hold them."""
    return weight_files(folder)

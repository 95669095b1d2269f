"""Which `WeightSource` reads the weights of a folder."""

from __future__ import annotations

from pathlib import Path

from owngpt.model.code_folder import CodeFolder
from owngpt.model.config import ModelConfig
from owngpt.model.digests import Digests, combined
from owngpt.model.expert_source import ExpertSource
from owngpt.model.gguf import GGUFWeights
from owngpt.model.gguf_file import gguf_file
from owngpt.model.quantization import Quantization, read_quantization
from owngpt.model.values import read_json
from owngpt.model.weight_source import TensorSource, WeightSource
from owngpt.model.weights import StoredWeights, weight_files


def open_source(folder: Path, config: ModelConfig) -> WeightSource:
    """The folder's weights, whatever their format. `CheckpointError` names what is wrong with them."""
    file = gguf_file(folder)
    if file is not None:
        return GGUFWeights(file, config)
    quantization = _quantization(folder)
    if quantization is None or quantization.method == "mxfp4":
        return by_expert(StoredWeights(folder, config))
    return CodeFolder(folder, config, quantization)


def by_expert(source: TensorSource) -> WeightSource:
    """The same, with every projection of an expert as a parameter of its own."""
    return source if source.config.expert_layout == "split" else ExpertSource(source)


def is_plain(folder: Path) -> bool:
    """Whether `weights.load_model` reads the folder, too."""
    quantization = _quantization(folder)
    return gguf_file(folder) is None and (quantization is None or quantization.method == "mxfp4")


def source_files(folder: Path) -> list[Path]:
    """The files that hold the weights."""
    file = gguf_file(folder)
    return weight_files(folder) if file is None else [file]


def weights_digest(folder: Path, digests: Digests) -> str:
    """SHA-256 of what config.json and the weight files hold, whatever the files are called."""
    return combined(digests.of([folder / "config.json", *source_files(folder)]))


def _quantization(folder: Path) -> Quantization | None:
    return read_quantization(read_json(folder / "config.json"), str(folder / "config.json"))

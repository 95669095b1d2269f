"""Which number format a model gets, and the reason that is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from owngpt.model.config import ModelConfig
from owngpt.model.dtype import choose_dtype, num_parameters
from owngpt.model.weights import load_model
from tests.fakes.model import edit_config

GB = 10**9
LARGE = {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "layer_types": ...}


def test_what_is_asked_for_is_taken(checkpoint: Callable[[str], Path]) -> None:
    assert choose_dtype(checkpoint("qwen3"), "int4", isa=None, available=0) == ("int4", "as asked for")


@pytest.mark.parametrize("isa", [None, "avx2"])
def test_a_small_model_stays_as_it_is(isa: str | None, checkpoint: Callable[[str], Path]) -> None:
    assert choose_dtype(checkpoint("qwen3"), "auto", isa=isa, available=GB) == ("fp32", "as the checkpoint has it")


def large(folder: Path, isa: str | None, available: float) -> tuple[str, str]:
    """The choice for a billion parameters in bf16, of which only config.json is here."""
    edit_config(folder, dtype="bfloat16", **LARGE)
    return choose_dtype(folder, "auto", isa=isa, available=int(available), random_weights=True)


@pytest.fixture
def folder(checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_bytes((checkpoint("qwen3") / "config.json").read_bytes())
    return tmp_path


def test_kernels_make_int8_the_choice_for_a_large_one(folder: Path) -> None:
    dtype, reason = large(folder, "avx512", 64 * GB)
    assert dtype == "int8"
    assert reason == "0.8e9 parameters; native kernels (avx512) are twice as fast as with bf16"
    assert large(folder, None, 64 * GB) == ("bf16", "as the checkpoint has it")


def test_little_memory_takes_the_next_smaller_format(folder: Path) -> None:
    dtype, reason = large(folder, None, 1.5 * GB)
    assert dtype == "int8"
    assert reason == "bf16 would take 1.6 GB of the 1.5 GB of memory that are free"
    assert large(folder, "avx2", 0.9 * GB)[0] == "int4"
    assert large(folder, None, 1000)[0] == "int4"


def test_four_bit_blocks_stay_what_they_are_where_kernels_are(checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint("gpt-oss-mxfp4")
    assert choose_dtype(folder, "auto", isa="plain", available=GB) == ("int4", "as the checkpoint has it")
    dtype, reason = choose_dtype(folder, "auto", isa=None, available=GB)
    assert dtype == "int8"
    assert "slow without native kernels" in reason


@pytest.mark.parametrize("family", ["llama-bias", "qwen3-moe", "gemma3"])
def test_parameters_are_counted(family: str, checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint(family)
    expected = sum(parameter.numel() for parameter in load_model(folder).parameters())
    assert num_parameters(ModelConfig.from_folder(folder)) == expected

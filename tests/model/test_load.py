"""Weights for a GPU. The device `meta`, which has no memory, stands in for it here; `tests/gpu` takes a real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from owngpt.errors import CheckpointError
from owngpt.model.gguf_config import config_values
from owngpt.model.gguf_file import GGUFFile
from owngpt.model.load import load_decoder
from owngpt.model.sources import is_plain
from owngpt.model.transformer import Transformer
from tests.fakes.gguf import gguf_of_checkpoint


def devices(model: object) -> set[tuple[str, torch.dtype]]:
    assert isinstance(model, Transformer)
    return {(parameter.device.type, parameter.dtype) for parameter in model.parameters()}


@pytest.mark.parametrize("random_weights", [False, True])
def test_weights_go_where_they_are_computed(random_weights: bool, checkpoint: Callable[[str], Path]) -> None:
    model = load_decoder(checkpoint("qwen3"), "bf16", device="meta", random_weights=random_weights)
    assert devices(model) == {("meta", torch.bfloat16)}


def test_codes_of_a_mixture_stay_codes(checkpoint: Callable[[str], Path]) -> None:
    model = load_decoder(checkpoint("gpt-oss-mxfp4"), "bf16", device="meta")
    assert devices(model) == {("meta", torch.bfloat16), ("meta", torch.uint8)}


def test_a_gguf_file_is_unpacked_for_it(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    gguf_of_checkpoint(checkpoint("qwen3"), file, lambda name: "Q8_0")
    (tmp_path / "config.json").write_text(json.dumps(config_values(GGUFFile.open(file))))
    assert not is_plain(tmp_path)
    assert devices(load_decoder(tmp_path, "fp32", device="meta")) == {("meta", torch.float32)}


def test_a_gpu_that_is_too_small_is_one_sentence(checkpoint: Callable[[str], Path]) -> None:
    def run_out(done: int, total: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(CheckpointError, match="bf16 does not fit into the GPU; set device to cpu"):
        load_decoder(checkpoint("qwen3"), "bf16", device="meta", progress=run_out)

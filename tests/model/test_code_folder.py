"""GPTQ and AWQ folders: the codes stay what they are, and the logits are those of the numbers they stand for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from owngpt.errors import CheckpointError
from owngpt.kernels.packed import Format, PackedWeight
from owngpt.model import awq, gptq
from owngpt.model.attention import DenseAttention
from owngpt.model.dtype import choose_dtype
from owngpt.model.packed_model import load_packed
from owngpt.model.quantized import int4_codes, to_transformer
from owngpt.model.transformer import Transformer
from owngpt.model.weight_source import Codes
from owngpt.model.weights import load_model
from tests.fakes import int4
from tests.fakes.model import edit_config

Write = Callable[[Path, Path], Path]
WRITERS: dict[str, Write] = {
    "gptq": int4.gptq_checkpoint,
    "gptq-v2": lambda source, into: int4.gptq_checkpoint(source, into, layout="gptq_v2", sym=False),
    "gptq-asym": lambda source, into: int4.gptq_checkpoint(source, into, sym=False),
    "gptq-row": lambda source, into: int4.gptq_checkpoint(source, into, group=-1),
    "awq": int4.awq_checkpoint,
}
IDS = list(range(3, 40))


def logits(model: Transformer) -> Tensor:
    with torch.inference_mode():
        hidden = model(torch.tensor(IDS), torch.arange(len(IDS)), DenseAttention(model.config, batch=1))
        return model.logits(hidden)


def assert_equal(found: Tensor, expected: Tensor) -> None:
    assert (found - expected).abs().max() / expected.abs().max() < 1e-4


@pytest.mark.parametrize("family", ["qwen3", "llama-bias", "gemma3"])
@pytest.mark.parametrize("writer", WRITERS)
def test_the_logits_are_those_of_the_numbers(
    writer: str, family: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    plain = WRITERS[writer](checkpoint(family), tmp_path / "packed")
    found = to_transformer(load_packed(tmp_path / "packed", "fp32"))
    assert_equal(logits(found), logits(load_model(plain, "fp32")))


@pytest.mark.parametrize("writer", WRITERS)
def test_codes_stay_the_codes_they_are(writer: str, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    """Only digits of the zeros' offsets beyond the 11th are lost: under a thousandth of a step."""
    plain = WRITERS[writer](checkpoint("qwen3"), tmp_path / "packed")
    packed = load_packed(tmp_path / "packed", "int4")
    weight = packed.weights["layers.1.down"]
    expected = load_file(plain / "model.safetensors")["model.layers.1.mlp.down_proj.weight"]
    assert weight.format == Format.INT4
    assert packed.weights["embed_tokens"].format == Format.INT8
    assert ((weight.dequantize() - expected).abs() <= 1e-3 * steps(weight)[:, None]).all()


def steps(weight: PackedWeight) -> Tensor:
    return int4_codes(weight).scale_NG.amax(1)


def test_scattered_groups_become_int8(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    """Act-order: no kernel reads inputs out of order, and requantizing to 4 bits would lose what it gained."""
    plain = int4.gptq_checkpoint(checkpoint("qwen3"), tmp_path / "packed", act_order=True)
    packed = load_packed(tmp_path / "packed", "int4")
    assert {weight.format for weight in packed.weights.values()} == {Format.INT8}
    found = to_transformer(load_packed(tmp_path / "packed", "fp32"))
    assert_equal(logits(found), logits(load_model(plain, "fp32")))


def test_auto_keeps_four_bits(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    int4.awq_checkpoint(checkpoint("qwen3"), tmp_path / "packed")
    assert choose_dtype(tmp_path / "packed", "auto", isa="avx2", available=10**9).dtype == "int4"


def test_one_matrix_by_hand() -> None:
    """The published layouts, in words that can be read."""
    codes_NK = torch.arange(8 * 32).view(8, 32).remainder(16).to(torch.uint8)
    scale_NG, zero_NG, groups_K = torch.ones(8, 1).half(), torch.full((8, 1), 8), torch.zeros(32, dtype=torch.int32)
    rounded = int4.Rounded(codes_NK.int().numpy(), scale_NG.numpy(), zero_NG.numpy(), groups_K.numpy())
    in_gptq = {name: torch.from_numpy(value) for name, value in int4.pack_gptq(rounded).items()}
    assert in_gptq["qweight"][0, 0] == 0x76543210
    assert in_gptq["qzeros"][0, 0] == 0x77777777
    found = gptq.unpack(**in_gptq, plus_one=True)
    assert isinstance(found, Codes)
    assert torch.equal(found.codes_NK, codes_NK)
    assert found.minimum_NG is None
    outputs = torch.arange(8).expand(32, 8).T
    in_awq = int4.pack_awq(rounded._replace(codes_NK=outputs.numpy()))
    assert in_awq["qweight"][0, 0] == 0x75316420
    unpacked = awq.unpack(*(torch.from_numpy(in_awq[part]) for part in ("qweight", "qzeros", "scales")))
    assert torch.equal(unpacked.codes_NK, outputs.to(torch.uint8))


@pytest.fixture
def packed(checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    int4.gptq_checkpoint(checkpoint("qwen3"), tmp_path / "packed")
    return tmp_path / "packed"


UP = "model.layers.1.mlp.up_proj"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({f"{UP}.scales": None}, rf"tensor {UP}\.scales is missing"),
        (
            {f"{UP}.qzeros": torch.zeros(1, 1, dtype=torch.int32)},
            rf"{UP}\.qzeros has shape \[1, 1\]; config",
        ),
        ({f"{UP}.qweight": torch.zeros(8, 96, dtype=torch.int64)}, rf"{UP}\.qweight has dtype I64, not one of I32"),
        ({f"{UP}.g_idx": torch.full((64,), 2, dtype=torch.int32)}, rf"{UP}\.g_idx names groups that are not 0 to 1"),
        ({f"{UP}.bias": torch.ones(96)}, rf"tensor {UP}\.bias has no place"),
        ({f"{UP}.qweight": None}, rf"tensor {UP}\.weight is missing"),
    ],
)
def test_broken_weights_are_named(changes: dict[str, Any], message: str, packed: Path) -> None:
    tensors = {**load_file(packed / "model.safetensors"), **changes}
    save_file({name: value for name, value in tensors.items() if value is not None}, packed / "model.safetensors")
    with pytest.raises(CheckpointError, match=message):
        load_packed(packed, "int4")


def test_groups_that_do_not_fit_are_named(packed: Path) -> None:
    edit_config(packed, quantization_config={"quant_method": "gptq", "bits": 4, "group_size": 128})
    with pytest.raises(CheckpointError, match=r"q_proj has 128 outputs and 64 inputs, .* groups of 128; take the bf16"):
        load_packed(packed, "int4")


def test_a_plain_reader_names_the_scheme(packed: Path) -> None:
    with pytest.raises(CheckpointError, match=r"q_proj\.weight is missing"):
        load_model(packed)
    edit_config(packed, quantization_config={"quant_method": "bitsandbytes"})
    with pytest.raises(CheckpointError, match="'bitsandbytes' is not supported, only GPTQ and AWQ of 4 bits"):
        load_packed(packed, "int4")

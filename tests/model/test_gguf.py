"""GGUF files give the logits of the checkpoint whose numbers they hold, and what cannot be read is named."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from owngpt.errors import CheckpointError
from owngpt.kernels.packed import Format
from owngpt.model.attention import DenseAttention
from owngpt.model.config import ModelConfig
from owngpt.model.gguf import GGUFWeights
from owngpt.model.gguf_blocks import FORMATS
from owngpt.model.gguf_config import config_values
from owngpt.model.gguf_file import GGUFFile
from owngpt.model.packed_model import PackedModel, pack_in_memory
from owngpt.model.quantized import to_transformer
from owngpt.model.transformer import Transformer
from owngpt.model.weights import load_model
from tests.fakes.gguf import gguf_of_checkpoint, numbers_of, random_blocks
from tests.fakes.model import edit_config

FAMILIES = ("llama", "llama-bias", "qwen2", "qwen3", "smollm3", "gemma3")
BLOCKS = ("Q4_0", "Q8_0", "Q4_K", "Q5_K", "Q6_K")
IDS = list(range(3, 60))


@pytest.mark.parametrize("kind", BLOCKS)
def test_blocks_are_the_numbers_that_ggml_makes_of_them(kind: str) -> None:
    blocks = random_blocks(kind, rows=5, columns=1024)
    form = FORMATS[gguf.GGMLQuantizationType[kind]]
    found = form.numbers(torch.from_numpy(blocks).view(5, -1, form.num_bytes))
    assert np.array_equal(found.numpy(), numbers_of(blocks, kind))


@pytest.fixture
def source(checkpoint: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """Family -> a copy of its checkpoint, with the values that llama.cpp takes for granted."""

    def get(family: str) -> Path:
        folder = Path(shutil.copytree(checkpoint(family), tmp_path / family))
        if family == "smollm3":
            edit_config(folder, no_rope_layers=[1, 1, 1, 0], layer_types=...)
        if family == "gemma3":
            edit_config(folder, query_pre_attn_scalar=16)
        return folder

    return get


def open_gguf(path: Path) -> GGUFWeights:
    return GGUFWeights(path, ModelConfig.from_dict(config_values(GGUFFile.open(path)), source=str(path)))


def logits(model: Transformer) -> Tensor:
    with torch.inference_mode():
        hidden = model(torch.tensor(IDS), torch.arange(len(IDS)), DenseAttention(model.config, batch=1))
        return model.logits(hidden)


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0", "Q4_0"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_architecture_gives_the_logits_of_its_checkpoint(
    family: str, kind: str, source: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    reference = load_model(gguf_of_checkpoint(source(family), path, lambda name: kind))
    found = to_transformer(pack_in_memory(open_gguf(path), "fp32"))
    expected = logits(reference)
    assert (logits(found) - expected).abs().max() / expected.abs().max() < 1e-5


@pytest.mark.parametrize("family", ["qwen3-moe", "gpt-oss", "gpt-oss-mxfp4"])
def test_mixtures_of_experts_give_the_logits_of_their_checkpoint(
    family: str, source: Callable[[str], Path], tmp_path: Path
) -> None:
    folder, path = source(family), tmp_path / "model.gguf"
    if "oss" in family:
        edit_config(folder, swiglu_limit=7.0)
    else:
        redraw(folder, mlp_only_layers=[])  # llama.cpp has no dense layers among these
    gguf_of_checkpoint(folder, path)
    found, expected = open_gguf(path), logits(load_model(folder, "fp32"))
    assert found.dtype == ("int4" if "mxfp4" in family else "fp32")
    assert (logits(to_transformer(pack_in_memory(found, "fp32"))) - expected).abs().max() / expected.abs().max() < 1e-5


def redraw(folder: Path, **changes: object) -> Path:
    """Other values in config.json, and random weights to go with them."""
    edit_config(folder, **changes)
    state = load_model(folder, random_weights=True).state_dict()
    named = {name if name.startswith("lm_head") else f"model.{name}": value for name, value in state.items()}
    save_file(named, folder / "model.safetensors")
    return folder


@pytest.fixture
def wide(source: Callable[[str], Path]) -> Path:
    """A checkpoint whose rows hold whole blocks of 256 values."""
    changes = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "head_dim": 64, "layer_types": ...}
    return redraw(source("qwen3"), **changes)


def mixed(name: str) -> str:
    """As Q4_K_M files are: v and down are finer."""
    if "embed" in name:
        return "Q6_K"
    return "Q6_K" if "v_proj" in name or "layers.1.mlp.down" in name else "Q4_K"


@pytest.mark.parametrize(
    ("kind", "formats"),
    [
        ("Q4_0", {Format.INT4}),
        ("Q4_K", {Format.INT4}),
        ("Q4_K_M", {Format.INT4, Format.INT8}),
        ("Q5_K", {Format.INT8}),
        ("Q6_K", {Format.INT8}),
        ("Q8_0", {Format.INT8}),
    ],
)
def test_blocks_become_the_nearest_packed_format(kind: str, formats: set[Format], wide: Path, tmp_path: Path) -> None:
    """4-bit codes stay what they are, up to the 11 digits of a scale; everything else becomes int8."""
    path = tmp_path / "model.gguf"
    reference = load_model(gguf_of_checkpoint(wide, path, mixed if kind == "Q4_K_M" else lambda name: kind))
    source = open_gguf(path)
    packed = pack_in_memory(source, source.dtype)
    assert {weight.format for name, weight in packed.weights.items() if name.startswith("layers.")} == formats
    assert packed.weights["embed_tokens"].format == Format.INT8
    assert_near(packed, reference)


def assert_near(packed: PackedModel, reference: Transformer) -> None:
    state = reference.state_dict()
    for layer in range(packed.config.num_layers):
        for name, modules in {"o": ["self_attn.o_proj"], "gate_up": ["mlp.gate_proj", "mlp.up_proj"]}.items():
            expected = torch.cat([state[f"layers.{layer}.{module}.weight"] for module in modules])
            weight = packed.weights[f"layers.{layer}.{name}"]
            limit = {Format.INT4: 2**-10, Format.INT8: 0.5 / 127}[weight.format]
            far = (weight.dequantize() - expected).abs().amax(1) / expected.abs().amax(1)
            assert far.max() <= limit * 1.01


def test_progress_and_sizes_are_those_of_the_file(wide: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    gguf_of_checkpoint(wide, path, mixed)
    seen: list[tuple[int, int]] = []
    pack_in_memory(open_gguf(path), "int4", lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert 0.9 < seen[-1][1] / path.stat().st_size < 1


def test_an_unsupported_format_is_named(wide: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    gguf_of_checkpoint(wide, path, lambda name: "Q5_0" if "layers.1.mlp.up" in name else "Q8_0")
    with pytest.raises(CheckpointError, match=r"blk\.1\.ffn_up\.weight has the format Q5_0; take a file in one of F32"):
        open_gguf(path)


def plain_file(source: Callable[[str], Path], tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    gguf_of_checkpoint(source("qwen3"), path)
    return path


def test_an_unsupported_architecture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "mamba")
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()
    with pytest.raises(CheckpointError, match="architecture 'mamba' is not supported in GGUF files; supported: llama"):
        open_gguf(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_named(share: float, source: Callable[[str], Path], tmp_path: Path) -> None:
    path = plain_file(source, tmp_path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"model\.gguf.*fetch it again"):
        open_gguf(path)


def test_no_byte_of_the_header_breaks_the_reader(source: Callable[[str], Path], tmp_path: Path) -> None:
    """Whatever a damaged header says, the answer is one sentence."""
    path = plain_file(source, tmp_path)
    content = path.read_bytes()
    end = content.index(b"output_norm.weight")
    for place in range(0, end, 31):
        for value in (0, 255):
            path.write_bytes(content[:place] + bytes([value]) + content[place + 1 : end + 4096])
            with pytest.raises(CheckpointError):
                open_gguf(path)


def header(*fields: tuple[str, int, bytes], tensors: bytes = b"", num_tensors: int = 0) -> bytes:
    """Of a file: names, types and values of fields, then tensors."""
    start = struct.pack("<4sIQQ", b"GGUF", 3, num_tensors, len(fields))
    spelled = (
        struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", kind) + rest for name, kind, rest in fields
    )
    return start + b"".join(spelled) + tensors


def no_shape(name: str) -> bytes:
    return struct.pack("<Q", len(name)) + name.encode() + struct.pack("<IIQ", 0, 0, 0)


HOSTILE = {
    "an array of 2^60 bytes": header(("a", 9, struct.pack("<IQ", 0, 2**60))),
    "a text of 2^60 bytes": header(("a", 8, struct.pack("<Q", 2**60))),
    "an array of arrays": header(("a", 9, struct.pack("<IQ", 9, 1) + bytes(100))),
    "an architecture that is a list": header(("general.architecture", 9, struct.pack("<IQB", 0, 1, 7))),
    "a tensor without a shape": header(tensors=no_shape("token_embd.weight"), num_tensors=1),
    "2^60 tensors": header(num_tensors=2**60),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_header_ends_in_one_sentence(kind: str, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(HOSTILE[kind])
    with pytest.raises(CheckpointError, match=r"model\.gguf"):
        open_gguf(tmp_path / "model.gguf")


def test_a_header_is_never_longer_than_vocabularies_are(tmp_path: Path) -> None:
    """A long file does not allow for long lists: they would take many times the memory."""
    path = tmp_path / "model.gguf"
    path.write_bytes(header(("a", 9, struct.pack("<IQ", 0, 2**27))))
    os.truncate(path, 2**28)
    with pytest.raises(CheckpointError, match=r"134217728 values at byte \d+ of its header go beyond byte 67108864"):
        open_gguf(path)


@pytest.mark.parametrize("change", [{"start": 2**62}, {"shape": (2**62,)}, {"shape": (0,)}, {"kind": 1}])
def test_divisors_of_rope_lie_in_the_file(
    change: dict[str, Any], source: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    gguf_of_checkpoint(source("llama"), path)
    file = GGUFFile.open(path)
    broken = file.tensors["rope_freqs.weight"]._replace(**change)
    with pytest.raises(CheckpointError, match=r"tensor rope_freqs\.weight is not \d+ numbers of F32"):
        config_values(file._replace(tensors={**file.tensors, "rope_freqs.weight": broken}))


@pytest.mark.parametrize(("place", "count"), [("rope_freqs.weight", 1), ("blk.0.attn_q.weight", 8)])
def test_each_plane_has_a_divisor(place: str, count: int, source: Callable[[str], Path], tmp_path: Path) -> None:
    """Too few of them, and any numbers in their place."""
    path = tmp_path / "model.gguf"
    gguf_of_checkpoint(source("llama"), path)
    file = GGUFFile.open(path)
    broken = file.tensors[place]._replace(shape=(count,))
    with pytest.raises(CheckpointError, match=r"rope_freqs\.weight is no divisor above 0 for each plane of a head"):
        config_values(file._replace(tensors={**file.tensors, "rope_freqs.weight": broken}))


def test_a_part_of_a_split_file_is_refused_by_name(source: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "model-00001-of-00002.gguf"
    gguf_of_checkpoint(source("qwen3"), path, tokenizer={"split.count": 2})
    with pytest.raises(CheckpointError, match="it is one of 2 parts; put them together: llama-gguf-split --merge"):
        open_gguf(path)

"""Any checkpoint becomes packed weights, whose values are those of the checkpoint."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from owngpt.kernels.packed import Format, PackedWeight, pack_int8
from owngpt.model import mxfp4, weight_cache
from owngpt.model.config import ModelConfig
from owngpt.model.digests import Digests
from owngpt.model.experts import router_name
from owngpt.model.packed_model import PackedModel, load_packed
from owngpt.model.sources import weights_digest
from owngpt.model.weights import load_model
from tests.fakes.model import FAMILIES, edit_config

# format -> how far a value may be from what the checkpoint has, as a part of the largest of its row
PRECISION = {Format.F32: 0.0, Format.BF16: 2**-8, Format.INT8: 0.5 / 127, Format.INT4: 1.5 / 8}
FORMAT = {"fp32": Format.F32, "bf16": Format.BF16, "int8": Format.INT8, "int4": Format.INT4}


def expected(folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Matrices and vectors (with biases) by their names in `PackedModel`, from a plain `Transformer`."""
    model = load_model(folder, "fp32")
    state = split_experts(model.config, model.state_dict())
    offset = 1.0 if model.config.is_norm_offset else 0.0

    def rows(*modules: str, leaf: str) -> Tensor:
        return torch.cat([state[f"{module}.{leaf}"] for module in modules])

    weights, vectors = {"embed_tokens": state["embed_tokens.weight"]}, {"norm": state["norm.weight"] + offset}
    if model.lm_head is not None:
        weights["lm_head"] = state["lm_head.weight"]
    for layer in range(model.config.num_layers):
        prefix = f"layers.{layer}"
        groups = {
            "qkv": [f"{prefix}.self_attn.{name}_proj" for name in "qkv"],
            "o": [f"{prefix}.self_attn.o_proj"],
            **mlp_groups(model.config, prefix),
        }
        for name, modules in groups.items():
            weights[f"{prefix}.{name}"] = rows(*modules, leaf="weight")
            if f"{modules[0]}.bias" in state:
                vectors[f"{prefix}.{name}.bias"] = rows(*modules, leaf="bias")
        for name, value in state.items():
            if name.startswith(f"{prefix}.") and "norm" in name:
                vectors[f"{prefix}.{name.split('.')[-2]}"] = value + offset
            if name == f"{prefix}.self_attn.sinks":
                vectors[f"{prefix}.sinks"] = value
    return weights, vectors


def mlp_groups(config: ModelConfig, layer: str) -> dict[str, list[str]]:
    """Packed matrix of a layer's MLP -> the modules that it is made of."""
    if not config.layers[int(layer.split(".")[1])].is_moe:
        return mlp_modules("", f"{layer}.mlp")
    groups = {"router": [f"{layer}.mlp.{router_name(config)}"]}
    for expert in range(config.num_experts):
        groups |= mlp_modules(f"experts.{expert}.", f"{layer}.mlp.experts.{expert}")
    return groups


def mlp_modules(name: str, module: str) -> dict[str, list[str]]:
    return {f"{name}gate_up": [f"{module}.gate_proj", f"{module}.up_proj"], f"{name}down": [f"{module}.down_proj"]}


def split_experts(config: ModelConfig, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fused experts, in numbers or blocks, as if each had projections of its own."""
    split: dict[str, Tensor] = {}
    for name, value in state.items():
        experts, _, leaf = name.rpartition(".")
        if not experts.endswith(".experts") or leaf.endswith("_scales"):
            split[name] = value
            continue
        fused = leaf.removesuffix("_bias").removesuffix("_blocks")
        if leaf.endswith("_blocks"):
            rows = mxfp4.dequantize(value, state[f"{experts}.{fused}_scales"], torch.float32)
        else:
            rows = value if leaf.endswith("_bias") else value.transpose(1, 2)
        own = "bias" if leaf.endswith("_bias") else "weight"
        for expert in range(config.num_experts):
            if fused == "gate_up_proj":
                split[f"{experts}.{expert}.gate_proj.{own}"] = rows[expert][::2]
                split[f"{experts}.{expert}.up_proj.{own}"] = rows[expert][1::2]
            else:
                split[f"{experts}.{expert}.down_proj.{own}"] = rows[expert]
    return split


def expected_format(name: str, dtype: str, config: ModelConfig) -> Format:
    if name.endswith(".router"):
        return Format.F32
    if config.expert_layout == "mxfp4" and dtype in ("int8", "int4"):  # as their makers have chosen
        return Format.INT4 if ".experts." in name else Format.INT8
    return Format.INT8 if dtype == "int4" and name in ("embed_tokens", "lm_head") else FORMAT[dtype]


def found_vectors(packed: PackedModel) -> dict[str, Tensor]:
    found = dict(packed.vectors)
    for name, weight in packed.weights.items():
        if weight.bias_N is not None:
            found[f"{name}.bias"] = weight.bias_N[: weight.n]
    return found


@pytest.mark.parametrize("dtype", FORMAT)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_in_every_dtype(family: str, dtype: str, checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint(family)
    packed = load_packed(folder, dtype)
    weights, vectors = expected(folder)
    assert packed.weights.keys() == weights.keys()
    for name, weight in weights.items():
        far = (packed.weights[name].dequantize() - weight).abs().amax(1) / weight.abs().amax(1).clamp_min(1e-9)
        assert packed.weights[name].format == expected_format(name, dtype, packed.config)
        assert far.max() <= PRECISION[packed.weights[name].format] * 1.001
    assert found_vectors(packed).keys() == vectors.keys()
    for name, vector in found_vectors(packed).items():
        assert vector.dtype == torch.float32
        assert torch.equal(vector, vectors[name])


@pytest.mark.parametrize("dtype", FORMAT)
def test_mxfp4_is_not_rounded(dtype: str, checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint("gpt-oss-mxfp4")
    packed = load_packed(folder, dtype)
    for name, weight in expected(folder)[0].items():
        if ".experts." in name:
            assert torch.equal(packed.weights[name].dequantize(), weight)


def test_progress_counts_the_bytes_of_the_files(checkpoint: Callable[[str], Path]) -> None:
    for family in ("qwen3", "qwen3-moe", "gpt-oss", "gpt-oss-mxfp4"):
        seen: list[tuple[int, int]] = []
        load_packed(checkpoint(family), "int8", progress=lambda done, total, seen=seen: seen.append((done, total)))
        assert seen == sorted(seen)
        assert seen[-1][0] == seen[-1][1] > 100_000


@pytest.mark.parametrize("family", ["llama-bias", "gpt-oss-mxfp4"])
def test_the_second_start_maps_what_the_first_has_written(
    family: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = checkpoint(family)
    for dtype in ("int8", "int4"):
        first, second = (load_packed(folder, dtype, cache_dir=tmp_path) for _ in range(2))
        assert_same(first, load_packed(folder, dtype))
        assert_same(first, second)
    files = sorted(tmp_path.rglob("*.safetensors"))
    assert [file.name for file in files] == ["int4.safetensors", "int8.safetensors"]
    assert {file.parent for file in files} == {files[0].parent}


def assert_same(one: PackedModel, other: PackedModel) -> None:
    assert one.config == other.config
    assert list(one.weights) == list(other.weights)
    for name, weight in one.weights.items():
        assert torch.equal(weight.data, other.weights[name].data)
        assert torch.equal(weight.dequantize(), other.weights[name].dequantize())
    assert one.vectors.keys() == other.vectors.keys()
    assert all(torch.equal(vector, other.vectors[name]) for name, vector in one.vectors.items())


def test_all_tensors_of_the_cache_are_aligned(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    packed = load_packed(checkpoint("mistral"), "int4", cache_dir=tmp_path)
    assert all(weight.data.data_ptr() % 64 == 0 for weight in packed.weights.values())
    (file,) = tmp_path.rglob("*.safetensors")
    assert all(part.data_ptr() % 64 == 0 for name, part in load_file(file).items() if not name.startswith("padding."))


@pytest.fixture
def folder(checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the Qwen3 checkpoint, to change."""
    return Path(shutil.copytree(checkpoint("qwen3"), tmp_path / "model"))


def test_an_edited_file_is_packed_again(folder: Path, tmp_path: Path) -> None:
    """Also when neither its size nor its time tells, and when only config.json has changed."""
    cache, weights = tmp_path / "cache", folder / "model.safetensors"
    before, digests = weights.stat(), Digests(tmp_path / "digests.json")

    def load() -> PackedModel:
        return load_packed(folder, "int8", cache_dir=cache, content=lambda: weights_digest(folder, digests))

    load()
    content = bytearray(weights.read_bytes())
    content[-3] ^= 255
    weights.write_bytes(content)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert_same(load(), load_packed(folder, "int8"))
    edit_config(folder, rope_theta=5000.0)
    load()
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("size", [0, 4, 8, 1000, -1, -64])
def test_a_truncated_cache_is_made_again(size: int, folder: Path, tmp_path: Path) -> None:
    first = load_packed(folder, "int8", cache_dir=tmp_path / "cache")
    expected = {name: weight.dequantize() for name, weight in first.weights.items()}
    (file,) = tmp_path.glob("cache/*/*")
    content = file.read_bytes()
    del first
    file.write_bytes(content[:size])
    again = load_packed(folder, "int8", cache_dir=tmp_path / "cache")
    assert all(torch.equal(weight.dequantize(), expected[name]) for name, weight in again.weights.items())
    assert file.read_bytes() == content


def test_a_hole_in_the_cache_is_found(folder: Path, tmp_path: Path) -> None:
    """What a power failure leaves where the file system had written the length but not the data."""
    load_packed(folder, "int8", cache_dir=tmp_path / "cache")
    (file,) = tmp_path.glob("cache/*/*")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    load_packed(folder, "int8", cache_dir=tmp_path / "cache")
    assert file.read_bytes() == content


def test_without_room_for_a_cache_the_model_is_packed_in_memory(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert_same(load_packed(folder, "int8", cache_dir=tmp_path / "cache"), load_packed(folder, "int8"))
    (record,) = caplog.records
    assert "the quantized weights cannot be kept" in record.getMessage()


def test_two_that_start_at_once_do_not_write_one_file(tmp_path: Path) -> None:
    """Their process ids do not tell them apart: in containers that share a disk, all are 1."""
    path = tmp_path / "cache" / "int8.safetensors"
    weights = {name: pack_int8(torch.randn(40, 64)) for name in ("first", "second")}

    def interrupted() -> Iterator[tuple[str, PackedWeight]]:
        for name, weight in weights.items():
            yield name, weight
            weight_cache.write(path, weights.items(), {}, 2)

    weight_cache.write(path, interrupted(), {}, 2)
    parts = weight_cache.read(path)
    assert parts is not None
    assert all(torch.equal(parts.weights[name].data, weight.data) for name, weight in weights.items())
    assert list(path.parent.iterdir()) == [path]


def test_nothing_is_left_of_a_cache_that_could_not_be_finished(folder: Path, tmp_path: Path) -> None:
    def weights() -> Iterator[tuple[str, PackedWeight]]:
        yield from load_packed(folder, "int8").weights.items()
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        weight_cache.write(tmp_path / "cache" / "int8.safetensors", weights(), {}, 100)
    assert list((tmp_path / "cache").iterdir()) == []


MEASURE = """
import re, sys, threading, time, torch
from pathlib import Path
from owngpt.model.packed_model import load_packed

def anonymous():
    return 1024 * int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

torch.set_num_threads(1)
small, large, cache = map(Path, sys.argv[1:])
load_packed(small, "int8", cache_dir=cache)  # what torch needs at all
before, peak, is_done = anonymous(), 0, threading.Event()

def watch():
    global peak
    while not is_done.wait(0.002):
        peak = max(peak, anonymous())

watcher = threading.Thread(target=watch)
watcher.start()
packed = load_packed(large, "int8", cache_dir=cache)
is_done.set()
watcher.join()
print(packed.num_bytes, peak - before, anonymous() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_loading_needs_no_second_copy(folder: Path, tmp_path: Path) -> None:
    """int8 takes at most 1.05 bytes per parameter, and while it is made, memory of its own for a few matrices only."""
    large = Path(shutil.copytree(folder, tmp_path / "large"))
    edit_config(large, hidden_size=512, intermediate_size=4096, vocab_size=30_000, num_hidden_layers=8, layer_types=...)
    model = load_model(large, "bf16", random_weights=True)
    save_file({f"model.{name}": value for name, value in model.state_dict().items()}, large / "model.safetensors")
    count = sum(parameter.numel() for parameter in model.parameters())
    command = [sys.executable, "-c", MEASURE, str(folder), str(large), str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    size, peak, after = map(int, done.stdout.split())
    assert count > 60e6
    assert count < size < 1.05 * count
    assert peak < 0.8 * size, "three matrices at a time; the largest is a quarter of the model"
    assert after < 0.6 * size, "the weights are mapped; allocators hold on to what a matrix took"

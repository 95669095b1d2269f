"""Weights are read from safetensors without a copy, and what is wrong with them is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from owngpt.errors import CheckpointError
from owngpt.model.weights import load_model
from tests.fakes.model import edit_config


@pytest.fixture
def folder(checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the Qwen3 checkpoint, to break."""
    return Path(shutil.copytree(checkpoint("qwen3"), tmp_path / "model"))


def edit_weights(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def shard(folder: Path) -> None:
    """One file -> two, with an index, as large checkpoints have."""
    tensors = sorted(load_file(folder / "model.safetensors").items())
    (folder / "model.safetensors").unlink()
    weight_map = {}
    for number, part in enumerate((tensors[::2], tensors[1::2]), start=1):
        name = f"model-{number:05}-of-00002.safetensors"
        save_file(dict(part), folder / name, metadata={"format": "pt"})
        weight_map |= {key: name for key, _ in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_shards_are_one_model(folder: Path) -> None:
    whole = load_model(folder).state_dict()
    whole = {name: value.clone() for name, value in whole.items()}
    shard(folder)
    parts = load_model(folder).state_dict()
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_missing_shard_is_named(folder: Path) -> None:
    shard(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model-00002-of-00002\.safetensors is missing"):
        load_model(folder)


@pytest.mark.parametrize("weight_map", [None, [], {"a": "../../etc/passwd"}, {"a": 1}, {"a": ""}])
def test_a_broken_index_is_named(weight_map: object, folder: Path) -> None:
    shard(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(CheckpointError, match=r"model\.safetensors\.index\.json has no weight_map"):
        load_model(folder)


STORED = {torch.bfloat16: torch.bfloat16, torch.float16: torch.float32, torch.float32: torch.float32}


@pytest.mark.parametrize("stored", STORED)
def test_auto_keeps_bf16_and_widens_fp16(stored: torch.dtype, folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.update({name: value.to(stored) for name, value in tensors.items()}))
    assert {parameter.dtype for parameter in load_model(folder).parameters()} == {STORED[stored]}


def test_dtypes(folder: Path) -> None:
    assert load_model(folder, "bf16").dtype == torch.bfloat16
    assert load_model(folder, torch.float32).dtype == torch.float32
    with pytest.raises(CheckpointError, match="dtype 'int3' is unknown; use auto, fp32, bf16"):
        load_model(folder, "int3")


def test_progress_counts_bytes(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    model = load_model(folder, progress=lambda done, total: seen.append((done, total)))
    total = sum(parameter.nbytes for parameter in model.parameters())
    assert seen == sorted(seen)
    assert seen[-1] == (total, total)


def test_random_weights_need_only_the_config(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    first, second = (load_model(folder, random_weights=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert first.embed_tokens.weight.std() > 0
    assert first.dtype == torch.float32
    assert load_model(folder, "bf16", random_weights=True).dtype == torch.bfloat16
    edit_config(folder, dtype="bfloat16")
    assert load_model(folder, random_weights=True).dtype == torch.bfloat16


def test_an_untied_head_is_asked_for(folder: Path) -> None:
    edit_config(folder, tie_word_embeddings=False)
    with pytest.raises(CheckpointError, match=r"tensor lm_head\.weight is missing"):
        load_model(folder)


Q_PROJ = "model.layers.1.self_attn.q_proj.weight"


def test_a_missing_tensor_is_named(folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.pop(Q_PROJ))
    with pytest.raises(CheckpointError, match=f"tensor {Q_PROJ} is missing"):
        load_model(folder)


def test_a_wrong_shape_is_named(folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.update({Q_PROJ: torch.zeros(3, 5)}))
    with pytest.raises(CheckpointError, match=rf"tensor {Q_PROJ} has shape \[3, 5\]; config.json asks for \[128, 64\]"):
        load_model(folder)


def test_a_tensor_without_a_place_is_named(folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.update({"model.layers.1.self_attn.q_proj.bias": torch.zeros(128)}))
    with pytest.raises(CheckpointError, match=r"q_proj\.bias has no place in Qwen3ForCausalLM with 4 layers"):
        load_model(folder)


def test_fewer_layers_than_the_weights_have(folder: Path) -> None:
    edit_config(folder, num_hidden_layers=3, layer_types=...)
    with pytest.raises(CheckpointError, match=r"model\.layers\.3\..* has no place"):
        load_model(folder)


def test_integers_are_refused(folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.update({Q_PROJ: torch.zeros(128, 64, dtype=torch.int8)}))
    with pytest.raises(CheckpointError, match=f"tensor {Q_PROJ} has dtype I8"):
        load_model(folder)


@pytest.mark.parametrize("size", [0, 4, 8, 500, 100_000, -1])
def test_a_truncated_file_is_named(size: int, folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read as safetensors: .*; fetch it again"):
        load_model(folder)


def test_a_folder_without_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"neither model\.safetensors nor model\.safetensors\.index\.json"):
        load_model(folder)


def test_a_folder_without_a_config(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json is missing; is .* the folder of a model"):
        load_model(tmp_path)


MEASURE = """
import re, sys, torch
from pathlib import Path
from owngpt.model.attention import DenseAttention
from owngpt.model.weights import load_model

def anonymous():
    return 1024 * int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

def use(folder, dtype):
    model = load_model(Path(folder), dtype)
    with torch.inference_mode():  # touches every weight
        model.logits(model(torch.tensor([1, 2]), torch.arange(2), DenseAttention(model.config, 1)))
    return model

torch.set_num_threads(1)
small, large = sys.argv[1:]
use(small, "bf16"), use(small, "fp32")  # what torch needs at all
start = anonymous()
mapped = use(large, "auto")
after_mapped = anonymous()
copied = use(large, "fp32")
print(sum(p.nbytes for p in mapped.parameters()), after_mapped - start, anonymous() - after_mapped)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_mapped_weights_are_not_copied(folder: Path, tmp_path: Path) -> None:
    """A bf16 checkpoint used as bf16 stays in the page cache; as fp32 it has to be in memory, once."""
    size, mapped, copied = measured(folder, tmp_path)
    assert mapped < 0.1 * size
    assert 1.8 * size < copied < 2.4 * size


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("family", ["qwen3-moe", "gpt-oss-mxfp4"])
def test_experts_are_not_copied(family: str, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    """What is made of 4-bit blocks to compute one expert is gone after it: here that takes 25 MB, of the last one."""
    size, mapped, _ = measured(checkpoint(family), tmp_path, moe_intermediate_size=2048)
    assert mapped < 0.1 * size + 30e6


def measured(small: Path, tmp_path: Path, **changes: object) -> tuple[int, int, int]:
    """Of a larger model like this one: its bytes, and what it takes beside the page cache as it is and as fp32."""
    large = Path(shutil.copytree(small, tmp_path / "large"))
    sizes = {"hidden_size": 512, "intermediate_size": 4096, "vocab_size": 30_000, "num_hidden_layers": 4}
    edit_config(large, **sizes, layer_types=..., **changes)
    model = load_model(large, "bf16", random_weights=True)
    state = {
        name if name.startswith("lm_head") else f"model.{name}": value for name, value in model.state_dict().items()
    }
    save_file(state, large / "model.safetensors")
    command = [sys.executable, "-c", MEASURE, str(small), str(large)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    size, mapped, copied = map(int, done.stdout.split())
    assert size > 80e6
    return size, mapped, copied

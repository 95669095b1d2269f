"""The decoder gives the logits of transformers, for every family, whatever way attention is done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from owngpt.model.attention import DenseAttention, KVCache, PagedAttention, PagedBatch
from owngpt.model.transformer import Transformer
from owngpt.model.weights import load_model
from tests.fakes.model import FAMILIES, VOCAB_SIZE, edit_config, multimodal_checkpoint

BLOCK_SIZE = 4
LENGTHS = (37, 70, 6)
CHUNKS = ((16, 20, 1), (1, 1, 50, 1, 17), (3, 1, 1, 1))  # tokens of each sequence, step by step


def reference_logits(folder: Path, ids: list[int]) -> Tensor:
    import transformers

    (name,) = json.loads((folder / "config.json").read_text())["architectures"]
    model = getattr(transformers, name).from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        logits: Tensor = model(torch.tensor([ids])).logits[0]
    return logits


def prompts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(1, VOCAB_SIZE, (n,), generator=generator).tolist() for n in LENGTHS]


def assert_equal(actual: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() / expected.abs().max() < tolerance


def dense_logits(model: Transformer, ids: list[int]) -> Tensor:
    with torch.inference_mode():
        hidden = model(torch.tensor(ids), torch.arange(len(ids)), DenseAttention(model.config, batch=1))
        return model.logits(hidden)


class PagedSequences:
    """Sequences whose blocks are scattered over one cache, fed in chunks: what the engine does, in small."""

    def __init__(self, model: Transformer, sequences: list[list[int]]) -> None:
        self.model = model
        self.sequences = sequences
        self.done = [0] * len(sequences)
        counts = [-(-len(ids) // BLOCK_SIZE) for ids in sequences]
        self.cache = KVCache(model.config, sum(counts) + 3, BLOCK_SIZE, model.dtype)
        for layer in range(model.config.num_layers):  # what is not ours must not be seen
            self.cache.key[layer].fill_(1e4)
            self.cache.value[layer].fill_(1e4)
        order = torch.randperm(sum(counts) + 3, generator=torch.Generator().manual_seed(2))
        self.tables = list(order[: sum(counts)].split(counts))

    def step(self, chunks: dict[int, int]) -> dict[int, Tensor]:
        """Feed `chunks[s]` more tokens of sequence s, all in one batch; -> logits of the new tokens."""
        tokens, positions, slots, starts = [], [], [], [0]
        for s, count in chunks.items():
            for position in range(self.done[s], self.done[s] + count):
                tokens.append(self.sequences[s][position])
                positions.append(position)
                block = int(self.tables[s][position // BLOCK_SIZE])
                slots.append(block * BLOCK_SIZE + position % BLOCK_SIZE)
            self.done[s] += count
            starts.append(len(tokens))
        batch = PagedBatch(
            torch.tensor(slots), starts, [self.done[s] for s in chunks], [self.tables[s] for s in chunks]
        )
        with torch.inference_mode():
            attention = PagedAttention(self.model.config, self.cache, batch)
            hidden = self.model(torch.tensor(tokens), torch.tensor(positions), attention)
            logits = self.model.logits(hidden)
        return dict(zip(chunks, logits.split(list(chunks.values())), strict=True))


def mixed_steps(chunks: Iterable[tuple[int, ...]]) -> list[dict[int, int]]:
    """Chunk lists per sequence -> batches: step i holds the i-th chunk of every sequence that has one."""
    lists = list(chunks)
    return [{s: own[i] for s, own in enumerate(lists) if i < len(own)} for i in range(max(map(len, lists)))]


@pytest.mark.parametrize("family", FAMILIES)
def test_dense(family: str, checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint(family)
    model = load_model(folder, "fp32")
    for ids in prompts():
        assert_equal(dense_logits(model, ids), reference_logits(folder, ids))


@pytest.mark.parametrize("family", FAMILIES)
def test_paged_in_mixed_batches(family: str, checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint(family)
    model = load_model(folder, "fp32")
    paged = PagedSequences(model, prompts())
    parts: list[list[Tensor]] = [[] for _ in LENGTHS]
    for chunks in mixed_steps(CHUNKS):
        for s, logits in paged.step(chunks).items():
            parts[s].append(logits)
    for ids, got in zip(prompts(), parts, strict=True):
        assert_equal(torch.cat(got), reference_logits(folder, ids))


OLD_FORMS: dict[str, dict[str, object]] = {
    "llama": {
        "rope_theta": 10_000.0,
        "rope_scaling": {
            "type": "llama3",
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 8.0,
            "original_max_position_embeddings": 128,
        },
    },
    "qwen2": {
        "rope_theta": 5_000.0,
        "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
    },
    "mistral": {"rope_theta": 2_000.0},
    "smollm3": {"rope_theta": 5_000.0, "no_rope_layers": ..., "no_rope_layer_interval": 3},
    "gemma3": {
        "rope_theta": 50_000.0,
        "rope_local_base_freq": 500.0,
        "rope_scaling": {"rope_type": "linear", "factor": 4.0},
        "sliding_window_pattern": 2,
    },
}


@pytest.mark.parametrize("family", OLD_FORMS)
def test_configs_as_transformers_4_wrote_them(family: str, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoint(family), tmp_path / family))
    edit_config(folder, rope_parameters=..., layer_types=..., **OLD_FORMS[family])
    ids = prompts()[1]
    assert_equal(dense_logits(load_model(folder), ids), reference_logits(folder, ids))


def test_the_text_part_of_a_multimodal_gemma3(tmp_path: Path) -> None:
    folder = multimodal_checkpoint(tmp_path)
    ids = prompts()[0]
    assert_equal(dense_logits(load_model(folder), ids), reference_logits(folder, ids))

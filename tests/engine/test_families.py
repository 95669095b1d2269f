"""Greedy tokens equal those of transformers, whatever the engine does with blocks, chunks and batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from owngpt.config import EngineConfig
from owngpt.engine.core import EngineCore
from owngpt.model.attention import KVCache
from owngpt.model.weights import load_model
from owngpt.text.tokenizer import Tokenizer
from tests.engine.makers import complete, padded_tokenizer
from tests.fakes.model import FAMILIES, VOCAB_SIZE, family_checkpoint

Checkpoint = tuple[Path, list[list[int]]]
NUM_TOKENS = 64
PROMPTS = [
    [11 * i % VOCAB_SIZE for i in range(1, 70)],
    [11 * i % VOCAB_SIZE for i in range(1, 60)],  # a beginning of the first
    [7],
    [5 * i * i % VOCAB_SIZE for i in range(1, 38)],
    [3, 1, 4, 1, 5, 9, 2, 6],
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return padded_tokenizer(tmp_path_factory.mktemp("tokenizer"), VOCAB_SIZE)


@pytest.fixture(scope="module", params=FAMILIES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A folder, and what transformers says to each prompt."""
    folder = family_checkpoint(request.param, tmp_path_factory.mktemp(request.param))
    return folder, reference(folder, PROMPTS)


def reference(folder: Path, prompts: Sequence[list[int]]) -> list[list[int]]:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    model.generation_config.eos_token_id = None
    outputs = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        settings = {"max_new_tokens": NUM_TOKENS, "do_sample": False, "attention_mask": torch.ones_like(ids)}
        outputs.append(model.generate(ids, **settings)[0, len(prompt) :].tolist())
    return outputs


CASES = {
    "plain": (EngineConfig(max_batch_tokens=256), 200),
    "small chunks, small blocks": (EngineConfig(block_size=4, max_batch_tokens=7), 500),
    "few blocks": (EngineConfig(block_size=4, max_batch_tokens=32, max_model_len=136), 40),
    "no prefix cache": (EngineConfig(max_batch_tokens=48, prefix_cache=False), 200),
}


@pytest.mark.parametrize("case", CASES)
def test_greedy_tokens_equal_the_reference(checkpoint: Checkpoint, tokenizer: Tokenizer, case: str) -> None:
    folder, expected = checkpoint
    model = load_model(folder)
    config, num_blocks = CASES[case]
    block_bytes = config.block_size * KVCache.bytes_per_token(model.config, model.dtype)
    core = EngineCore(model, tokenizer, replace(config, kv_memory=num_blocks * block_bytes))
    greedy = {"temperature": 0.0, "max_tokens": NUM_TOKENS, "ignore_eos": True, "is_shared": config.prefix_cache}
    alone = [complete(core, tokenizer, [prompt], **greedy)[0] for prompt in PROMPTS]
    assert alone == expected
    together = complete(core, tokenizer, PROMPTS, **greedy)
    assert together == expected
    stats = core.stats()
    assert (stats.cached_tokens > 0) == config.prefix_cache
    assert (stats.preemptions > 0) == (case == "few blocks")
    assert stats.num_free_blocks == stats.num_blocks

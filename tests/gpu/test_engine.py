"""The engine on a GPU says what it says on a CPU, token by token."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from owngpt.build import load_models
from owngpt.config import EngineConfig, Settings
from owngpt.engine.core import EngineCore, ThreadEngine
from owngpt.engine.memory import GPU_SHARE, available_memory
from owngpt.engine.runner import TorchRunner
from owngpt.model.load import load_decoder
from owngpt.model.weights import load_model
from owngpt.types import SamplingParams
from tests.engine.decoding import DENSE, PROMPTS, said
from tests.engine.makers import complete, padded_tokenizer
from tests.fakes.engine import CHATML
from tests.fakes.model import FAMILIES, VOCAB_SIZE, family_checkpoint
from tests.fakes.text import byte_tokenizer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_tokens_equal_those_of_a_cpu(family: str, tmp_path: Path) -> None:
    folder = family_checkpoint(family, tmp_path / family)
    tokenizer = padded_tokenizer(tmp_path, VOCAB_SIZE)
    answers = []
    for device in ("cpu", "cuda"):
        core = EngineCore(load_model(folder, "fp32", device=device), tokenizer, EngineConfig(kv_memory=2**24))
        assert isinstance(core.runner, TorchRunner)
        assert (core.runner.decoder is not None) == (device == "cuda" and family in DENSE)
        answers.append(complete(core, tokenizer, PROMPTS, temperature=0.0, max_tokens=64, ignore_eos=True))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("has_graphs", [False, True])
@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_preemption_changes_nothing(family: str, has_graphs: bool, tmp_path: Path) -> None:
    folder = family_checkpoint(family, tmp_path / family)
    tokenizer = padded_tokenizer(tmp_path, VOCAB_SIZE)
    here, there = (load_model(folder, "fp32", device=device) for device in ("cpu", "cuda"))
    assert said(there, tokenizer, has_graphs=has_graphs) == said(here, tokenizer, has_graphs=False)


def test_the_share_of_the_gpu_is_what_is_left_of_it(tmp_path: Path) -> None:
    model = load_decoder(family_checkpoint("qwen3", tmp_path / "qwen3"), "bf16", device="cuda")
    free = available_memory("cuda")
    core = EngineCore(model, padded_tokenizer(tmp_path, VOCAB_SIZE), EngineConfig())
    assert free - available_memory("cuda") <= free * GPU_SHARE
    core.close()


@pytest.mark.anyio
async def test_a_folder_is_served_from_the_gpu_without_being_asked(tmp_path: Path) -> None:
    folder = family_checkpoint("qwen3", tmp_path / "tiny")
    byte_tokenizer(folder, chat_template=CHATML)
    settings = Settings(models=(str(folder),), data_dir=tmp_path, engine=EngineConfig(kv_memory=2**24))
    engine = load_models(settings).generator(None).engine
    assert isinstance(engine, ThreadEngine)
    async with engine.submit([1, 2, 3], SamplingParams(temperature=0, max_tokens=20)) as events:
        tokens = [token_id async for event in events for token_id in event.token_ids]
    assert 0 < len(tokens) <= 20
    assert "bfloat16" in engine.numerics
    assert torch.cuda.get_device_name() in engine.numerics
    engine.close()

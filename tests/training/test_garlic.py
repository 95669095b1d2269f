"""The model that ships: whole, small enough, readable by others, and able to say who it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from owngpt.model.attention import DenseAttention
from owngpt.model.bundled import garlic_folder
from owngpt.model.transformer import Transformer
from owngpt.model.weights import load_model
from owngpt.text.chat import ChatRenderer
from owngpt.text.tokenizer import Tokenizer
from owngpt.training.sources import SOURCES
from owngpt.types import Message

FOLDER = garlic_folder()


@pytest.fixture(scope="module")
def model() -> Transformer:
    return load_model(FOLDER, torch.float32)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(FOLDER)


@torch.no_grad()
def answer(model: Transformer, tokenizer: Tokenizer, question: str, limit: int = 60) -> str:
    """Greedy, without a cache."""
    prompt = ids = ChatRenderer.load(FOLDER, tokenizer).encode([Message("user", question)])
    for _ in range(limit):
        hidden = model(torch.tensor(ids), torch.arange(len(ids)), DenseAttention(model.config, 1))
        token_id = int(model.logits(hidden[-1:]).argmax())
        if token_id in tokenizer.eos_token_ids:
            break
        ids = [*ids, token_id]
    return tokenizer.decode(ids[len(prompt) :])


def test_it_fits_into_the_package(model: Transformer) -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 40_000_000
    assert 10e6 < sum(parameter.numel() for parameter in model.parameters()) < 20e6


def test_transformers_reads_it_alike(model: Transformer, tokenizer: Tokenizer) -> None:
    text = "def add(a, b):\n    return a + b\n\n桃太郎は1980年に鬼が島へ行った。 The cat sat."
    theirs = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    assert type(theirs).__name__ == "Qwen3ForCausalLM"
    ids = AutoTokenizer.from_pretrained(FOLDER).encode(text, add_special_tokens=False)
    assert ids == tokenizer.encode(text)
    with torch.no_grad():
        expected = theirs(torch.tensor([ids])).logits[0]
        got = model.logits(model(torch.tensor(ids), torch.arange(len(ids)), DenseAttention(model.config, 1)))
    assert (got - expected).norm() / expected.norm() < 1e-4


@pytest.mark.parametrize("question", ["Who are you?", "あなたは誰ですか？"])
def test_it_says_who_it_is(model: Transformer, tokenizer: Tokenizer, question: str) -> None:
    assert "Garlic" in answer(model, tokenizer, question)


def test_the_notice_credits_every_source() -> None:
    notice = (Path(__file__).parents[2] / "NOTICE").read_text(encoding="utf-8")
    for source in SOURCES:
        assert source.credit.split(",")[0] in notice, source.name


def test_the_card_credits_what_the_weights_learnt_from() -> None:
    rows = [line.split(" | ") for line in (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()]
    credits = {row[0].strip("| "): row[2] for row in rows if len(row) == 5}
    listed = [source for source in SOURCES if source.name in credits]
    assert len(listed) >= 20
    for source in listed:
        assert source.credit.split(",")[0] in credits[source.name]

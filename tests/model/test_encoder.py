"""Embeddings equal those of sentence-transformers, reading the same folders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from owngpt.errors import CheckpointError
from owngpt.model.bundled import minilm_folder
from owngpt.model.encoder import Encoder, EncoderConfig, is_encoder
from tests.fakes.model import encoder_checkpoint

TEXTS = (
    "Garlic grows from cloves planted in autumn.",
    "にんにくは秋に植えます。",
    "def f(x):\n    return x + 1",
    "",
    "long " * 300,  # cut at max_seq_length by the reference
    "🧄",
)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return


def reference(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


def token_ids(folder: Path, max_length: int) -> list[list[int]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return [encoding.ids for encoding in tokenizer.encode_batch(list(TEXTS))]


def test_minilm_equals_sentence_transformers() -> None:
    folder = minilm_folder()
    encoder = Encoder.load(folder)
    expected = torch.tensor(reference(folder).encode(list(TEXTS)))
    actual = encoder.encode(token_ids(folder, encoder.max_length))
    assert (encoder.dimensions, encoder.max_length) == (384, 256)
    assert (actual - expected).abs().max() < 1e-5
    assert torch.allclose(actual.norm(dim=-1), torch.ones(len(TEXTS)))


def transformers_hidden(folder: Path, ids: list[int]) -> Tensor:
    from transformers import AutoModel

    with torch.inference_mode():
        hidden: Tensor = AutoModel.from_pretrained(folder).eval()(torch.tensor([ids])).last_hidden_state[0]
    return hidden


@pytest.mark.parametrize("model_type", ["bert", "roberta", "xlm-roberta"])
def test_first_token_pooling_equals_transformers(model_type: str, tmp_path: Path) -> None:
    folder = encoder_checkpoint(tmp_path, model_type, pooling="cls")
    batch = [[2, 9, 4, 7, 3], [2, 3], [2, *range(5, 40), 3]]
    actual = Encoder.load(folder).encode(batch)
    expected = torch.stack([transformers_hidden(folder, ids)[0] for ids in batch])
    assert (actual - expected).abs().max() < 1e-5


def test_mean_pooling_without_normalization(tmp_path: Path) -> None:
    folder = encoder_checkpoint(tmp_path, "bert", pooling="mean")
    batch = [[2, 9, 4, 7, 3], [2, 3]]
    expected = torch.stack([transformers_hidden(folder, ids).mean(0) for ids in batch])
    assert (Encoder.load(folder).encode(batch) - expected).abs().max() < 1e-5


def test_padding_changes_nothing() -> None:
    encoder = Encoder.load(minilm_folder())
    batch = [[101, 2000 + i, *range(3000, 3000 + 7 * i), 102] for i in range(8)]
    alone = torch.cat([encoder.encode([ids]) for ids in batch])
    assert (encoder.encode(batch) - alone).abs().max() < 1e-6


def test_a_folder_without_sentence_transformers_files_is_pooled_by_mean(tmp_path: Path) -> None:
    folder = encoder_checkpoint(tmp_path, "bert", pooling=None)
    config = EncoderConfig.from_folder(folder)
    assert (config.pooling, config.is_normalized, config.max_length) == ("mean", False, 64)


def test_knows_encoders_from_decoders(tmp_path: Path) -> None:
    assert is_encoder(encoder_checkpoint(tmp_path, "bert", pooling=None))
    (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    assert not is_encoder(tmp_path)
    assert not is_encoder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "max"),
        ("1_Pooling/config.json", {"pooling_mode": "lasttoken"}, "lasttoken"),
        ("modules.json", [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}], "Dense"),
        ("modules.json", [{"type": "x.Pooling", "path": "../../etc"}], "modules.json"),
        ("config.json", {"model_type": "modernbert"}, "modernbert"),
        ("config.json", {"model_type": "bert"}, "vocab_size"),
    ],
)
def test_what_is_not_supported_is_named(file: str, content: Any, named: str, tmp_path: Path) -> None:
    folder = encoder_checkpoint(tmp_path, "bert", pooling="mean")
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=named):
        Encoder.load(folder)

"""How much of a text an embedder understands."""

from __future__ import annotations

from pathlib import Path

from owngpt.model.bundled import minilm_folder
from owngpt.retrieval.fluency import fluency
from owngpt.text.tokenizer import Tokenizer
from tests.fakes.text import byte_tokenizer


def test_an_english_model_reads_english_and_no_japanese() -> None:
    minilm = Tokenizer.load(minilm_folder())
    assert fluency(minilm, "What is the capital of France?") > 0.9
    assert fluency(minilm, "東京都の人口は何人ですか。") < 0.1
    assert 0.1 < fluency(minilm, "Kubernetes クラスタの設定") < 0.9
    assert fluency(minilm, "?!") == fluency(minilm, "") == 0.0


def test_a_model_that_spells_understands_nothing(tmp_path: Path) -> None:
    assert fluency(byte_tokenizer(tmp_path), "What is the capital of France?") == 0.0

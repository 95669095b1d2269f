from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers

from owngpt.training.fertility import FERTILITY, by_kind, measure_fertility, write_fertility


@pytest.fixture(scope="module")
def tokenizer(tokenizer_folder: Path) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))


def test_every_source_has_its_rate(corpus: Path, tokenizer: tokenizers.Tokenizer) -> None:
    rows = {row.source: row for row in measure_fertility(tokenizer, corpus)}
    assert set(rows) == {"cats", "neko", "doubles", "calls", "arithmetic"}
    assert rows["cats"].bytes_per_character == 1
    assert 2.5 < rows["neko"].bytes_per_character < 3
    assert rows["cats"].bytes_per_token > 3, "a word or so"
    assert rows["neko"].characters_per_token == pytest.approx(
        rows["neko"].bytes_per_token / rows["neko"].bytes_per_character
    )


def test_the_tokens_that_a_source_has_are_estimated(corpus: Path, tokenizer: tokenizers.Tokenizer) -> None:
    rows = {row.source: row for row in measure_fertility(tokenizer, corpus)}
    lines = (corpus / "cats.train.jsonl").read_text().splitlines()
    exact = sum(len(tokenizer.encode(json.loads(line)["text"]).ids) for line in lines)
    assert rows["cats"].num_tokens == pytest.approx(exact, rel=0.03)


def test_kinds_are_weighed_by_their_sources(corpus: Path, tokenizer: tokenizers.Tokenizer, tmp_path: Path) -> None:
    rows = measure_fertility(tokenizer, corpus)
    talk = [row.bytes_per_token for row in rows if row.kind == "chat"]
    assert min(talk) <= by_kind(rows)["chat"] <= max(talk)
    write_fertility(rows, tmp_path)
    report = json.loads((tmp_path / FERTILITY).read_text())
    assert report["bytes_per_token"] == by_kind(rows)
    assert len(report["sources"]) == 5

"""A reader is trained from an encoder and a data folder, and written as a folder that others load."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from owngpt.engine.reading import PairReader
from owngpt.errors import CheckpointError, SetupError
from owngpt.model.encoder import Encoder
from owngpt.training.reader.checkpoint import load_checkpoint
from owngpt.training.reader.loop import ReaderConfig
from owngpt.training.reader.run import export, tokenizer_of, train_reader
from tests.fakes.reader import TOWNS, small_data, small_encoder

CONFIG = ReaderConfig(num_steps=12, align_steps=3, batch_tokens=256, warmup=1, save_seconds=0.0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Data, base, and the folder of a finished run."""
    folder = tmp_path_factory.mktemp("reader")
    data, base, out = small_data(folder / "data"), small_encoder(folder / "base"), folder / "run"
    train_reader(data, base, out, CONFIG, lambda _: None)
    return data, base, out


def weights_after(data: Path, base: Path, out: Path, *lengths: int) -> dict[str, torch.Tensor]:
    for length in lengths:
        train_reader(data, base, out, replace(CONFIG, num_steps=length, decay_share=0.0), lambda _: None)
    loaded = load_checkpoint(out, None)
    assert loaded is not None
    return loaded[1]


def rounded(weight: torch.Tensor) -> torch.Tensor:
    """As it is stored."""
    return weight.to(torch.float8_e4m3fn).bfloat16()


def test_the_result_embeds_and_reads_pairs(folders: tuple[Path, Path, Path]) -> None:
    reader = PairReader.load(folders[2] / "model")
    found = reader.answer("市長はどこに住んでいますか?", ["港には船があります。", f"市長は{TOWNS[0]}に住んでいます。"])
    assert found is not None
    assert 0 <= found.start < found.end
    assert all(0 < score < 1 for score in reader.relevance("どこ?", ["神戸", "a port"]))
    assert Encoder.load(folders[2] / "model").encode([[101, 2000, 102]]).shape == (1, 16)


def test_sentence_transformers_reads_the_folder(folders: tuple[Path, Path, Path]) -> None:
    from sentence_transformers import SentenceTransformer

    folder = folders[2] / "model"
    text = "神戸の港 and a ship"
    ids = tokenizer_of(folders[2]).encode(text).ids
    theirs = torch.tensor(SentenceTransformer(str(folder), device="cpu").encode([text])).float()
    assert torch.nn.functional.cosine_similarity(Encoder.load(folder).encode([ids]), theirs).item() > 0.999


def test_a_run_that_was_stopped_ends_with_the_same_weights(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    data, base, _ = folders
    whole, parts = weights_after(data, base, tmp_path / "whole", 8), weights_after(data, base, tmp_path / "parts", 3, 8)
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_english_rows_of_the_embedding_stay(folders: tuple[Path, Path, Path]) -> None:
    _, base, out = folders
    before, after = (Encoder.load(folder).words.weight for folder in (base, out / "model"))
    assert torch.equal(rounded(before[2000:10000]), after[2000:10000])
    assert not torch.equal(rounded(Encoder.load(out / "start").words.weight[30522:]), after[30522:])


def test_other_settings_do_not_go_on_from_a_checkpoint(folders: tuple[Path, Path, Path]) -> None:
    data, base, out = folders
    with pytest.raises(CheckpointError, match="align_steps=3, not 4"):
        train_reader(data, base, out, replace(CONFIG, align_steps=4), lambda _: None)


def test_nothing_to_export_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="train first"):
        export(tmp_path, tokenizer_of(tmp_path))

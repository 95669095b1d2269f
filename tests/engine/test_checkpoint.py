"""A GGUF file serves like the folder that it was made of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from owngpt.build import load_models
from owngpt.config import EngineConfig, Settings
from owngpt.engine.checkpoint import is_local, locate
from owngpt.errors import CheckpointError, DownloadError
from tests.fakes.engine import CHATML
from tests.fakes.gguf import gguf_of_checkpoint, tokenizer_fields
from tests.fakes.model import family_checkpoint
from tests.fakes.text import byte_tokenizer


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = family_checkpoint("qwen3", tmp_path_factory.mktemp("original"))
    byte_tokenizer(folder, chat_template=CHATML)
    return folder


@pytest.fixture
def file(original: Path, tmp_path: Path) -> Path:
    path = tmp_path / "models" / "Tiny-Q8_0.gguf"
    path.parent.mkdir()
    gguf_of_checkpoint(original, path, lambda name: "Q8_0", tokenizer_fields(original))
    return path


def test_a_file_becomes_a_folder_once(file: Path, tmp_path: Path) -> None:
    folder = locate(str(file), tmp_path)
    before = (folder / "config.json").stat()
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "Tiny-Q8_0.gguf",
    }
    assert locate(str(file), tmp_path) == folder
    assert locate(str(file.parent), tmp_path) == folder, "the only file of a folder need not be named"
    assert (folder / "config.json").stat() == before
    assert is_local(str(file))


def test_another_content_is_another_folder(file: Path, original: Path, tmp_path: Path) -> None:
    first = locate(str(file), tmp_path)
    shutil.rmtree(file.parent / "Tiny-Q8_0-numbers")
    gguf_of_checkpoint(original, file, lambda name: "Q4_0", tokenizer_fields(original))
    assert locate(str(file), tmp_path) != first


def test_a_folder_and_a_name_are_what_they_were(original: Path, tmp_path: Path) -> None:
    assert locate(str(original), tmp_path) == original
    with pytest.raises(DownloadError, match="neither a folder nor the name of a model"):
        locate(str(tmp_path / "nothing.gguf"), tmp_path)


def test_of_several_files_one_must_be_named(file: Path, tmp_path: Path) -> None:
    shutil.copy(file, file.with_name("Other.gguf"))
    with pytest.raises(CheckpointError, match=r"has 2 GGUF files; name one of them: .*Other\.gguf"):
        locate(str(file.parent), tmp_path)


def test_a_data_folder_that_cannot_be_written_is_named(file: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(CheckpointError, match=r"cannot be unfolded into .*; set data_dir"):
        locate(str(file), tmp_path / "data")


@pytest.mark.parametrize("dtype", ["auto", "fp32", "int8"])
def test_a_served_file_has_its_name_and_its_tokens(dtype: str, file: Path, tmp_path: Path) -> None:
    engine = EngineConfig(dtype=dtype, kv_memory=4 * 1024**2, threads=1)
    model = load_models(Settings(models=(str(file),), data_dir=tmp_path, engine=engine)).generator(None)
    model.engine.close()
    assert model.name == "Tiny-Q8_0"
    assert model.tokenizer.decode(model.tokenizer.encode("Hello")) == "Hello"
    assert model.tokenizer.eos_token_ids
    assert model.fingerprint.dtype == ("int8" if dtype == "auto" else dtype)

from __future__ import annotations

from pathlib import Path

import pytest

import owngpt
from owngpt.errors import SetupError
from owngpt.model.bundled import check_weights, garlic_folder, minilm_folder
from owngpt.model.encoder import is_encoder

GARLIC = Path(owngpt.__file__).parent / "bundled" / "garlic"


def test_minilm_is_installed_and_whole() -> None:
    assert is_encoder(minilm_folder())


def test_garlic_is_whole() -> None:
    if not GARLIC.is_dir():
        pytest.skip("this checkout has no Garlic")
    assert not is_encoder(garlic_folder())


def test_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(SetupError, match=r"has SHA-256 .*; expected 1234"):
        check_weights(tmp_path, "1234")

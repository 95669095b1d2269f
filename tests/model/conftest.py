from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.fakes.model import family_checkpoint


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Family name -> folder of its checkpoint, made once."""
    made: dict[str, Path] = {}

    def get(family: str) -> Path:
        if family not in made:
            made[family] = family_checkpoint(family, tmp_path_factory.mktemp(family))
        return made[family]

    return get

"""A checkpoint's own recommendation for sampling."""

import json
from pathlib import Path

import pytest

from owngpt.errors import CheckpointError
from owngpt.text.generation_config import recommended_sampling
from owngpt.types import SamplingParams


def write(folder: Path, **values: object) -> Path:
    (folder / "generation_config.json").write_text(json.dumps(values))
    return folder


def test_what_the_file_says_is_the_default(tmp_path: Path) -> None:
    folder = write(tmp_path, temperature=0.6, top_k=20, top_p=0.95, eos_token_id=[1, 2], max_new_tokens=50)
    assert recommended_sampling(folder) == SamplingParams(temperature=0.6, top_k=20, top_p=0.95)


def test_without_a_file_the_defaults_are_openais(tmp_path: Path) -> None:
    assert recommended_sampling(tmp_path) == SamplingParams()


@pytest.mark.parametrize(("name", "value"), [("temperature", -1), ("top_p", 1.5), ("top_k", 0.5), ("min_p", "a")])
def test_a_value_that_cannot_be_used_is_named(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=name):
        recommended_sampling(write(tmp_path, **{name: value}))

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from owngpt.engine.bench import bench_engine
from tests.fakes.model import family_checkpoint


@pytest.fixture(autouse=True)
def keep_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_numbers_have_the_promised_shape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = family_checkpoint("qwen3", tmp_path)
    (folder / "model.safetensors").unlink()
    result = bench_engine(folder, random_weights=True, dtype="bf16", prompt=40, context=20, streams=(1, 3), threads=1)
    assert json.loads(json.dumps(result)) == result
    assert set(result) == {"prefill_tok_s", "decode", "dtype", "threads", "numerics"}
    assert (result["dtype"], result["threads"]) == ("bf16", 1)
    assert set(result["decode"]) == {"1", "3"}
    for number, decode in result["decode"].items():
        assert 0 < decode["best_ms"] <= decode["median_ms"]
        assert decode["tok_s"] == pytest.approx(int(number) / decode["median_ms"] * 1000)
    assert result["prefill_tok_s"] > 0
    captured = capsys.readouterr()
    assert captured.out == "", "progress belongs on stderr"
    assert "decode 3 streams" in captured.err

"""Two processes over gloo learn what one learns, from the same checkpoints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from owngpt.training.checkpoint import CHECKPOINT, load_checkpoint
from owngpt.training.pretrain import pretrain
from tests.training.tiny import CONFIG

WORKER = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from owngpt.training.distributed import placed
from owngpt.training.pretrain import pretrain
from tests.training.tiny import CONFIG

corpus, tokenizer, out, num_tokens = sys.argv[1:]
torch.set_num_threads(1)
with placed("cpu") as place:
    config = replace(CONFIG, num_tokens=int(num_tokens))
    pretrain(Path(corpus), Path(tokenizer), Path(out), config, depth=1, dtype=torch.float32, place=place)
"""
# Nats. The two sum gradients in another order, which Muon's products in bfloat16 make larger: 0.004 after 20 steps.
TOLERANCE = 0.01


def run_two(corpus: Path, tokenizer: Path, out: Path, num_tokens: int) -> str:
    script = out.parent / "worker.py"
    script.write_text(WORKER)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, str(script), str(corpus), str(tokenizer), str(out), str(num_tokens)],
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": ".", "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def alone(corpus: Path, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("alone") / "run"
    pretrain(corpus, tokenizer_folder, out, CONFIG, depth=1, dtype=torch.float32, progress=lambda line: None)
    return out


def losses(out: Path) -> list[float]:
    return [row[3] for row in json.loads((out / "run.json").read_text())["rows"]]


def test_two_processes_have_the_loss_curve_of_one(
    alone: Path, corpus: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    """And one process goes on with what the two have saved, and two with what one has."""
    out = tmp_path / "run"
    run_two(corpus, tokenizer_folder, out, 1280)
    expected = losses(alone)
    level = load_checkpoint(out, {}, "level.safetensors")
    assert level is not None
    assert level[0].losses == pytest.approx(expected[:8], abs=TOLERANCE)
    lines: list[str] = []
    pretrain(corpus, tokenizer_folder, out, CONFIG, depth=1, dtype=torch.float32, progress=lines.append)
    assert "going on from step 8" in lines
    assert losses(out) == pytest.approx(expected, abs=TOLERANCE)


def test_two_processes_go_on_with_what_one_has_saved(
    alone: Path, corpus: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / CHECKPOINT).write_bytes((alone / "level.safetensors").read_bytes())
    assert "going on from step 16" in run_two(corpus, tokenizer_folder, out, CONFIG.num_tokens)
    assert losses(out) == pytest.approx(losses(alone), abs=TOLERANCE)

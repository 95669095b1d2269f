"""The whole pipeline, small: it learns, it goes on exactly where it stopped, and others read what it wrote."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForCausalLM

from owngpt.errors import CheckpointError
from owngpt.model.attention import DenseAttention
from owngpt.model.weights import load_model
from owngpt.text.tokenizer import Tokenizer
from owngpt.training.checkpoint import COLUMNS
from owngpt.training.cli import train
from owngpt.training.evaluate import bits_per_byte, bytes_per_token, output_head
from owngpt.training.plan import TrainConfig
from owngpt.training.pretrain import pretrain
from owngpt.training.shards import read_held_out
from tests.training.tiny import CONFIG


@pytest.fixture(scope="module")
def run(corpus: Path, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    pretrain(corpus, tokenizer_folder, out, CONFIG, depth=1, progress=lambda line: None)
    return out


class Stopped(Exception):
    """The run was interrupted."""


def stop_after(num_steps: int, corpus: Path, tokenizer_folder: Path, out: Path, config: TrainConfig) -> None:
    """Train that many steps, of which the last one is not saved."""

    def progress(line: str) -> None:
        if line.startswith("bits per byte") and next(measured) == num_steps:
            raise Stopped

    measured = count(1)
    with pytest.raises(Stopped):
        pretrain(corpus, tokenizer_folder, out, replace(config, eval_every=1), depth=1, progress=progress)


def weights(out: Path) -> bytes:
    return (out / "model" / "model.safetensors").read_bytes()


def test_the_loss_falls(run: Path) -> None:
    losses = [row[COLUMNS.index("loss")] for row in json.loads((run / "run.json").read_text())["rows"]]
    assert len(losses) == 20
    assert losses[0] == pytest.approx(math.log(450), abs=0.3)
    assert losses[-1] < losses[0] - 1.0


def test_held_out_text_is_measured_by_kind(run: Path) -> None:
    first, *_, last = json.loads((run / "run.json").read_text())["evaluations"]
    assert (first["step"], last["step"]) == (10, 20)
    assert all(last[kind] < first[kind] for kind in ("english", "japanese", "code", "average.code"))


@pytest.mark.parametrize("stop", [6, 17], ids=["while level", "while falling"])
def test_a_stopped_run_goes_on_bit_for_bit(
    stop: int, run: Path, corpus: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    """Stopped after some steps that were not saved, it repeats these."""
    stop_after(stop, corpus, tokenizer_folder, tmp_path, CONFIG)
    lines: list[str] = []
    pretrain(corpus, tokenizer_folder, tmp_path, CONFIG, depth=1, progress=lines.append)
    assert f"going on from step {stop - 1}" in lines
    assert weights(tmp_path) == weights(run)


KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
import torch
from owngpt.training.pretrain import pretrain
from tests.training.tiny import CONFIG

def progress(line):
    if line.startswith("step 13/"):
        os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)
pretrain(*map(Path, sys.argv[1:]), CONFIG, depth=1, progress=progress)
"""


def test_a_killed_process_goes_on_bit_for_bit(run: Path, corpus: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    """kill -9, of a process that only reports: no handler runs, and no step is different for it."""
    folders = [str(folder) for folder in (corpus, tokenizer_folder, tmp_path)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *folders], cwd=Path(__file__).parents[2], check=False)
    assert killed.returncode == -signal.SIGKILL
    lines: list[str] = []
    state = pretrain(corpus, tokenizer_folder, tmp_path, CONFIG, depth=1, progress=lines.append)
    assert "going on from step 12" in lines
    loss = COLUMNS.index("loss")
    assert state.losses == [row[loss] for row in json.loads((run / "run.json").read_text())["rows"]]
    assert weights(tmp_path) == weights(run)


@pytest.mark.parametrize("planned", [1280, 5120], ids=["longer", "shorter"])
def test_a_run_may_change_its_length_while_the_rate_is_level(
    planned: int, run: Path, corpus: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    """Planned for another length, stopped, and gone on with: the same as if it had been planned so at once."""
    stop_after(6, corpus, tokenizer_folder, tmp_path, replace(CONFIG, num_tokens=planned))
    pretrain(corpus, tokenizer_folder, tmp_path, CONFIG, depth=1, progress=lambda line: None)
    assert weights(tmp_path) == weights(run)


def test_a_finished_run_may_be_prolonged(run: Path, corpus: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    """It goes on from where its rate began to fall: the same as if it had been planned so at once."""
    lines: list[str] = []
    pretrain(corpus, tokenizer_folder, tmp_path, replace(CONFIG, num_tokens=1280), depth=1, progress=lambda line: None)
    pretrain(corpus, tokenizer_folder, tmp_path, CONFIG, depth=1, progress=lines.append)
    assert "going on from step 8" in lines
    assert weights(tmp_path) == weights(run)


def test_a_run_is_not_shortened_below_what_it_has_seen(run: Path, corpus: Path, tokenizer_folder: Path) -> None:
    with pytest.raises(CheckpointError, match="2560 tokens at a level learning rate, more than tokens=1280"):
        pretrain(corpus, tokenizer_folder, run, replace(CONFIG, num_tokens=1280), depth=1, progress=lambda line: None)


def test_other_settings_are_refused(run: Path, corpus: Path, tokenizer_folder: Path) -> None:
    with pytest.raises(CheckpointError, match="context=32, not 16"):
        pretrain(corpus, tokenizer_folder, run, replace(CONFIG, context=16), depth=1, progress=lambda line: None)


def test_transformers_reads_the_model_alike(run: Path) -> None:
    theirs = AutoModelForCausalLM.from_pretrained(run / "model", dtype=torch.float32)
    assert type(theirs).__name__ == "Qwen3ForCausalLM"
    ours = load_model(run / "model", torch.float32)
    tokens = torch.arange(40) * 7 % 450
    with torch.no_grad():
        expected = theirs(tokens[None]).logits[0]
        got = ours.logits(ours(tokens, torch.arange(40), DenseAttention(ours.config, 1)))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    assert theirs.generation_config.eos_token_id == list(Tokenizer.load(run / "model").eos_token_ids)


def test_the_folder_is_complete(run: Path) -> None:
    assert {path.name for path in (run / "model").iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "loss.svg",
    }


def test_bits_per_byte_of_a_model_that_knows_nothing(run: Path) -> None:
    """Equal logits: log2(V) bits per token, spread over the bytes the tokens stand for."""
    tokenizer = Tokenizer.load(run / "model")
    model = load_model(run / "model", torch.float32)
    output_head(model).data.zero_()
    tokens = read_held_out(run / "tokens")["english"]
    sizes = bytes_per_token(tokenizer, model.config.vocab_size)
    scored = [token for token in tokens[1 : (len(tokens) - 1) // 16 * 16 + 1] if sizes[token]]
    num_bytes = len(tokenizer.decode(scored).encode())
    expected = len(scored) * math.log2(model.config.vocab_size) / num_bytes
    assert bits_per_byte(model, tokens, sizes, context=16) == pytest.approx(expected, rel=1e-4)


def test_fp32_and_bf16_start_alike(corpus: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    losses = [
        pretrain(
            corpus, tokenizer_folder, tmp_path / str(dtype), CONFIG, depth=1, dtype=dtype, progress=lambda line: None
        ).losses
        for dtype in (torch.float32, torch.bfloat16)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=0.1)


def test_the_command_line_does_all_stages(corpus: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    folders = ["--corpus", str(corpus), "--out"]
    made = runner.invoke(train, ["tokenizer", *folders, str(tmp_path / "tok"), "--vocab-size", "400"])
    assert made.exit_code == 0, made.output
    small = ["--depth", "1", "--tokens", "512", "--context", "16", "--decay-context", "32", "--batch-tokens", "128"]
    small += ["--micro-tokens", "64", "--threads", "1", "--dtype", "fp32", "--device", "cpu", "--price-per-hour", "2"]
    trained = runner.invoke(
        train, ["pretrain", *folders, str(tmp_path / "run"), "--tokenizer", str(tmp_path / "tok"), *small]
    )
    assert trained.exit_code == 0, trained.output
    assert "step 4/4" in trained.output
    assert "of the machine's rate" in trained.output
    assert all(
        line in trained.output for line in ("parameters ", "tokens  ", "time  ", "cost         0.00 at 2 per hour")
    )
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()


@pytest.mark.parametrize("command", ["corpus", "tokenizer", "pretrain"])
def test_every_option_has_help(command: str) -> None:
    assert all(option.help for option in train.commands[command].params if isinstance(option, click.Option))

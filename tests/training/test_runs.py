"""The scripts in runs/, with a stand-in for `owngpt` that writes what it is asked for and notes the command."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

RUNS = Path(__file__).parents[2] / "runs"
STAND_IN = """#!/bin/sh
echo "$*" >> "$NOTES"
while [ $# -gt 0 ]; do
    if [ "$1" = --out ]; then OUT=$2; fi
    shift
done
case $(tail -n 1 "$NOTES") in
    train\\ corpus*) mkdir -p "$OUT" && : > "$OUT/manifest.json" ;;
    train\\ tokenizer*) mkdir -p "$OUT" && : > "$OUT/tokenizer.json" ;;
    *pretrain* | *sft*) mkdir -p "$OUT/model" && : > "$OUT/model/model.safetensors" ;;
    *eval*) : > "$OUT" ;;
esac
"""


def run(folder: Path, script: str, *options: str) -> tuple[list[str], str]:
    """-> the commands in order, and what the script said. Programs in `folder` are found before others."""
    stand_in, notes = folder / "owngpt", folder / "notes"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    notes.write_text("")
    done = subprocess.run(
        ["sh", str(RUNS / script), *options],
        cwd=folder,
        env={"PATH": f"{folder}:{os.environ['PATH']}", "OWNGPT": str(stand_in), "NOTES": str(notes)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    return notes.read_text().splitlines(), done.stdout


def test_from_a_folder_of_text_to_a_model_that_can_be_served(tmp_path: Path) -> None:
    commands, said = run(tmp_path, "garlic-cpu.sh", "--minutes", "20", "--data", "texts", "--out", "made")
    assert commands == [
        "train corpus --folder texts --out made/corpus",
        "train tokenizer --corpus made/corpus --out made/tokenizer --vocab-size 4096",
        "train pretrain --corpus made/corpus --tokenizer made/tokenizer --out made/run"
        " --depth 3 --minutes 12 --device cpu",
        "train sft --model made/run/model --corpus made/corpus --out made/tuned --minutes 4",
        "eval run --model made/tuned/model --corpus made/corpus --limit 50 --out made/eval.json",
    ]
    assert "serve made/tuned/model" in said
    assert "made/run/model/loss.svg" in said


def test_the_same_command_again_repeats_nothing(tmp_path: Path) -> None:
    run(tmp_path, "garlic-cpu.sh", "--out", "made")
    commands, _ = run(tmp_path, "garlic-cpu.sh", "--out", "made")
    assert commands == []


@pytest.mark.parametrize(("minutes", "depth"), [("10", "2"), ("100", "4"), ("600", "5")])
def test_more_time_makes_a_larger_model(minutes: str, depth: str, tmp_path: Path) -> None:
    commands, _ = run(tmp_path, "garlic-cpu.sh", "--minutes", minutes)
    assert commands[0] == "train corpus --data ../shared/data --out build/garlic-cpu/corpus"
    assert f"--depth {depth} " in commands[2]


def test_a_wrong_option_shows_how_to_use_it(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", str(RUNS / "garlic-cpu.sh"), "--hours", "3"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "sh runs/garlic-cpu.sh [--minutes 20]" in done.stderr


def test_on_gpus_torchrun_starts_a_process_for_each(tmp_path: Path) -> None:
    """With stand-ins for the GPUs and for torchrun."""
    for name, text in {"nvidia-smi": "echo GPU 0; echo GPU 1", "torchrun": 'exec "$OWNGPT" "$@"'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    commands, _ = run(tmp_path, "garlic-gpu.sh", "--out", "made", "--price-per-hour", "4")
    launched = "--nnodes 1 --node-rank 0 --nproc-per-node 2 --standalone -m owngpt train pretrain"
    assert commands[2].startswith(launched)
    assert commands[2].endswith("--depth 8 --minutes 14 --micro-tokens 32768 --device cuda --price-per-hour 4")

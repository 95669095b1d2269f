"""What is known of a run, for people and their tools: `metrics.csv`, `run.json`, and a picture."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

import torch

from owngpt.training.checkpoint import COLUMNS, RunState
from owngpt.training.curve import draw_curves

METRICS, REPORT, CURVES = "metrics.csv", "run.json", "loss.svg"


def write_metrics(folder: Path, state: RunState) -> None:
    """One line per step; bits per byte on held-out text in those after which they were measured."""
    measured = {int(numbers["step"]): numbers for numbers in state.evaluations}
    kinds = list(dict.fromkeys(kind for numbers in state.evaluations for kind in numbers if kind not in COLUMNS))
    with (folder / METRICS).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *kinds])
        for row in state.rows:
            numbers = measured.get(int(row[0]), {})
            writer.writerow([*(f"{value:.6g}" for value in row), *(f"{numbers.get(kind, ''):.6}" for kind in kinds)])


def write_report(folder: Path, state: RunState, num_processes: int) -> None:
    """Everything in one JSON file."""
    report = {**asdict(state), "threads": torch.get_num_threads(), "processes": num_processes}
    (folder / REPORT).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def write_curves(folder: Path, state: RunState) -> None:
    """Training loss and held-out text, drawn."""
    tokens, loss = COLUMNS.index("tokens"), COLUMNS.index("loss")
    kinds = [kind for kind in (state.evaluations or [{}])[-1] if kind not in COLUMNS and "." not in kind]
    held_out = {kind: [(numbers["tokens"], numbers[kind]) for numbers in state.evaluations] for kind in kinds}
    (folder / CURVES).write_text(
        draw_curves([(row[tokens], row[loss]) for row in state.rows], held_out), encoding="utf-8"
    )

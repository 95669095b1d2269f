from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

from owngpt.training.checkpoint import RunState
from owngpt.training.curve import MAX_POINTS, draw_curves
from owngpt.training.metrics import write_curves, write_metrics, write_report

SVG = "{http://www.w3.org/2000/svg}"
STATE = RunState(
    {},
    rows=[[step, step * 64, 1.0, 6.0 / step, 0.5, 100.0] for step in range(1, 5)],
    evaluations=[{"step": 2, "tokens": 128, "code": 2.0, "average.code": 1.9}, {"step": 4, "tokens": 256, "code": 1.5}],
)


def lines(path: Path) -> list[ElementTree.Element]:
    return list(ElementTree.parse(path).iter(f"{SVG}polyline"))


def test_every_step_is_a_line_and_measurements_stand_where_they_were_made(tmp_path: Path) -> None:
    write_metrics(tmp_path, STATE)
    rows = list(csv.DictReader((tmp_path / "metrics.csv").read_text().splitlines()))
    assert [(row["step"], row["tokens"], row["loss"], row["code"]) for row in rows] == [
        ("1", "64", "6", ""),
        ("2", "128", "3", "2.0"),
        ("3", "192", "2", ""),
        ("4", "256", "1.5", "1.5"),
    ]
    assert [row["average.code"] for row in rows] == ["", "1.9", "", ""]


def test_the_report_is_the_whole_state(tmp_path: Path) -> None:
    write_report(tmp_path, STATE, num_processes=2)
    report = json.loads((tmp_path / "run.json").read_text())
    assert (report["rows"], report["evaluations"], report["processes"]) == (STATE.rows, STATE.evaluations, 2)


def test_loss_and_held_out_text_are_drawn(tmp_path: Path) -> None:
    """One line for the loss and one per kind; the loss falls, so its line goes down, and SVG counts from above."""
    write_curves(tmp_path, STATE)
    loss, code = lines(tmp_path / "loss.svg")
    heights = [float(point.split(",")[1]) for point in loss.attrib["points"].split()]
    assert heights == sorted(heights)
    assert len(heights) == 4
    assert len(code.attrib["points"].split()) == 2
    text = (tmp_path / "loss.svg").read_text()
    assert ">code<" in text
    assert "prefers-color-scheme: dark" in text


def test_a_run_without_held_out_text_has_one_panel(tmp_path: Path) -> None:
    write_curves(tmp_path, RunState({}, rows=STATE.rows))
    assert len(lines(tmp_path / "loss.svg")) == 1


def test_a_long_run_is_smoothed() -> None:
    root = ElementTree.fromstring(draw_curves([(float(step), 1.0) for step in range(1, 100_000)], {}))
    (line,) = root.iter(f"{SVG}polyline")
    assert MAX_POINTS // 2 < len(line.attrib["points"].split()) <= MAX_POINTS

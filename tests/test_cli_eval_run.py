"""`owngpt eval run | list` with the bundled model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from owngpt.cli import main

SMALL = ["--task", "grammar.*", "--limit", "6", "--threads", "1"]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["eval", *arguments])


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNGPT_DATA_DIR", str(tmp_path / "home"))


def test_options_alone_mean_run(tmp_path: Path) -> None:
    out = tmp_path / "garlic.json"
    done = invoke("--model", "garlic", *SMALL, "--out", str(out))
    assert done.exit_code == 0, done.output
    assert "| grammar.ja | 6 | garlic | accuracy" in done.stdout
    assert done.stdout == out.with_suffix(".md").read_text()
    again = invoke("run", *SMALL, "--json")
    first, second = json.loads(out.read_text()), json.loads(again.stdout)
    for report in (first, second):
        for result in report["results"]:
            del result["seconds"]
    assert first["results"] == second["results"], "greedy answers and seeded intervals: the same each time"


def test_what_cannot_be_run_here_is_named() -> None:
    done = invoke("run", "--task", "no.such")
    assert done.exit_code == 2
    assert "there is no task 'no.such'; there are bits.en" in done.output


def test_the_list_names_every_task_and_what_it_is_compared_with() -> None:
    done = invoke("list")
    assert "arithmetic" in done.stdout
    assert "exact match; beside majority, copy" in done.stdout

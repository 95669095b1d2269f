"""`owngpt train reader`, as it is typed."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from owngpt.model.reader import is_reader
from owngpt.training.cli import train
from tests.fakes.reader import small_data, small_encoder


def test_it_trains_goes_on_and_exports(tmp_path: Path) -> None:
    data, base, out = small_data(tmp_path / "data"), small_encoder(tmp_path / "base"), tmp_path / "run"
    command = ["reader", "--data", str(data), "--base", str(base), "--out", str(out), "--threads", "1"]
    first = CliRunner().invoke(train, [*command, "--steps", "2"])
    assert first.exit_code == 0, first.output
    assert "step 2/2" in first.output
    assert is_reader(out / "model")
    (out / "model" / "heads.safetensors").unlink()
    again = CliRunner().invoke(train, [*command, "--export-only"])
    assert again.exit_code == 0, again.output
    assert is_reader(out / "model")
    assert "going on from step 2" in CliRunner().invoke(train, [*command, "--steps", "3"]).output


def test_a_run_that_never_began_has_nothing_to_export(tmp_path: Path) -> None:
    data = small_data(tmp_path / "data")
    result = CliRunner().invoke(train, ["reader", "--data", str(data), "--out", str(tmp_path / "run"), "--export-only"])
    assert "train first" in str(result.exception)

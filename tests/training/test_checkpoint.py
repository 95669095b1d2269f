from pathlib import Path

import pytest
import torch

from owngpt.errors import CheckpointError
from owngpt.training.checkpoint import CHECKPOINT, RunState, load_checkpoint, save_checkpoint


def test_state_and_tensors_come_back(tmp_path: Path) -> None:
    state = RunState(
        {"context": 8}, step=3, seconds=1.5, rows=[[1, 64, 1.0, 3.0, 0.5, 99.0]], evaluations=[{"code": 1.5}]
    )
    save_checkpoint(tmp_path, state, {"a": torch.arange(3.0)})
    loaded = load_checkpoint(tmp_path, {"context": 8})
    assert loaded is not None
    assert loaded[0] == state
    assert torch.equal(loaded[1]["a"], torch.arange(3.0))


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, {}) is None


def test_a_process_killed_while_saving_leaves_the_one_before(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, RunState({}, step=1), {"a": torch.zeros(2)})
    (tmp_path / f"{CHECKPOINT}.draft").write_bytes(b"half a file")
    loaded = load_checkpoint(tmp_path, {})
    assert loaded is not None
    assert loaded[0].step == 1


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(CheckpointError, match="delete it to start over"):
        load_checkpoint(tmp_path, {})


def test_a_run_does_not_go_on_with_other_settings(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, RunState({"context": 8}), {"a": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="context=8, not 16"):
        load_checkpoint(tmp_path, {"context": 16})


def test_a_setting_that_came_later_is_no_difference(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, RunState({"context": 8}), {"a": torch.zeros(1)})
    loaded = load_checkpoint(tmp_path, {"context": 8, "z_loss": 0.1})
    assert loaded is not None
    assert loaded[0].settings == {"context": 8, "z_loss": 0.1}


def test_settings_may_hold_what_json_changes(tmp_path: Path) -> None:
    """Tuples come back from JSON as lists; that is no difference. A run with them once refused to go on."""
    save_checkpoint(tmp_path, RunState({"optim": {"betas": (0.9, 0.95)}}), {"a": torch.zeros(1)})
    assert load_checkpoint(tmp_path, {"optim": {"betas": (0.9, 0.95)}}) is not None

"""Where a run can go on from: one safetensors file, replaced in one move, so that it is whole at any moment."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from owngpt.errors import CheckpointError

CHECKPOINT = "checkpoint.safetensors"
LEVEL = "level.safetensors"  # as it was when the learning rate began to fall: a longer run goes on from here
COLUMNS = ("step", "tokens", "rate", "loss", "norm", "tokens_per_second")


@dataclass(slots=True)
class RunState:
    """What is known of a run beside its weights. `rows` has `COLUMNS` for every step; losses are nats per token."""

    settings: dict[str, Any]  # what must not change between start and resume
    num_tokens: int = 0  # that the run was planned for
    num_level: int = 0  # steps until the rate falls
    step: int = 0  # steps done
    tokens: int = 0  # tokens seen
    seconds: float = 0.0  # of wall time spent in steps
    cpu_seconds: float = 0.0  # of all cores together, likewise
    rows: list[list[float]] = field(default_factory=list)
    evaluations: list[dict[str, float]] = field(default_factory=list)  # {"step", "tokens", kind: bits per byte}

    @property
    def losses(self) -> list[float]:
        """The training loss of every step."""
        return [row[COLUMNS.index("loss")] for row in self.rows]


def save_checkpoint(folder: Path, state: RunState, tensors: dict[str, Tensor], name: str = CHECKPOINT) -> None:
    """Write state and tensors; a process killed in the middle leaves the checkpoint before."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{name}.draft"
    save_file(tensors, draft, metadata={"state": json.dumps(asdict(state))})
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(folder / name)


def load_checkpoint(
    folder: Path, settings: dict[str, Any], name: str = CHECKPOINT
) -> tuple[RunState, dict[str, Tensor]] | None:
    """The last checkpoint, or None. `CheckpointError` if it is broken or was made with other settings.

    A setting that it does not know, since it is older, is taken as given.
    """
    path = folder / name
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            state = RunState(**json.loads(file.metadata()["state"]))
            tensors: dict[str, torch.Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error}; delete it to start over") from error
    for key, value in json.loads(json.dumps(settings)).items():  # as JSON has them: tuples are lists
        if state.settings.setdefault(key, value) != value:
            raise CheckpointError(
                f"checkpoint {path} was made with {key}={state.settings[key]!r}, not {value!r}; "
                "use the same value, or another --out"
            )
    return state, tensors

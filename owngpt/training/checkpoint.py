"""Where a run can go on from: one safetensors file, replaced in one move, so that it is whole at any moment."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from owngpt.errors import CheckpointError

CHECKPOINT = "checkpoint.safetensors"


@dataclass(slots=True)
class RunState:
    """What is known of a run beside its weights. `losses` has one training loss per step, in nats per token."""

    settings: dict[str, Any]  # what must not change between start and resume
    step: int = 0
    seconds: float = 0.0  # of wall time spent in steps
    cpu_seconds: float = 0.0  # of all cores together, likewise
    losses: list[float] = field(default_factory=list)
    evaluations: list[dict[str, float]] = field(default_factory=list)  # {"step": ..., kind: bits per byte}


def save_checkpoint(folder: Path, state: RunState, tensors: dict[str, Tensor]) -> None:
    """Write state and tensors; a process killed in the middle leaves the checkpoint before."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{CHECKPOINT}.draft"
    fields = {name: getattr(state, name) for name in RunState.__slots__}
    save_file(tensors, draft, metadata={"state": json.dumps(fields)})
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(folder / CHECKPOINT)


def load_checkpoint(folder: Path, settings: dict[str, Any]) -> tuple[RunState, dict[str, Tensor]] | None:
    """The last checkpoint, or None. `CheckpointError` if it is broken or was made with other settings."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            state = RunState(**json.loads(file.metadata()["state"]))
            tensors: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error}; delete it to start over") from error
    for name, value in json.loads(json.dumps(settings)).items():  # as JSON has them: tuples are lists
        if state.settings.get(name) != value:
            raise CheckpointError(
                f"checkpoint {path} was made with {name}={state.settings.get(name)!r}, not {value!r}; "
                "use the same value, or another --out"
            )
    return state, tensors

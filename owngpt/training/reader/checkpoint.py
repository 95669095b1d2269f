"""Where a run of the reader can go on from: one safetensors file, replaced in one move."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from owngpt.errors import CheckpointError

CHECKPOINT = "checkpoint.safetensors"


@dataclass(slots=True)
class ReaderState:
    """What is known of a run beside its weights."""

    settings: dict[str, Any]  # what must not change between start and resume
    step: int = 0  # steps done
    tokens: int = 0  # read, padding excluded
    seconds: float = 0.0  # of wall time spent in steps
    cpu_seconds: float = 0.0  # of all cores together, likewise
    losses: list[tuple[str, float]] = field(default_factory=list)  # task and loss of every step


def save_checkpoint(folder: Path, state: ReaderState, tensors: dict[str, Tensor]) -> None:
    """A process that is killed in the middle leaves the checkpoint before."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{CHECKPOINT}.draft"
    save_file(tensors, draft, metadata={"state": json.dumps(asdict(state))})
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(folder / CHECKPOINT)


def load_checkpoint(folder: Path, settings: dict[str, Any] | None) -> tuple[ReaderState, dict[str, Tensor]] | None:
    """The last checkpoint, or None. `CheckpointError` if it is broken or, with `settings`, was made with others."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            state = ReaderState(**json.loads(file.metadata()["state"]))
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error}; delete it to start over") from error
    for name, value in json.loads(json.dumps(settings or {})).items():  # as JSON has them: tuples are lists
        if state.settings.get(name) != value:
            raise CheckpointError(
                f"checkpoint {path} was made with {name}={state.settings.get(name)!r}, not {value!r}; "
                "use the same value, or another --out"
            )
    return state, tensors

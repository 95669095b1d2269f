"""What every step of a run reads and how far it moves: known before the start, from the configuration alone.

The learning rate is a trapezoid over tokens (Hägele et al. 2024): a short rise, level, and a straight fall over the
run's last part, in longer rows. The batch grows with the square root of the tokens seen, as the largest batch that
wastes nothing does (Zhang et al. 2024, "How does critical batch size scale in pre-training?"). Neither depends on the
length of the run before the fall, so a run may be prolonged.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from owngpt.errors import SetupError
from owngpt.training.optim import OptimConfig
from owngpt.training.shards import Phase


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The recipe of a run. The defaults suit a small model on a CPU; `dial` derives them from a depth."""

    num_tokens: int
    decay_share: float = 0.2  # of the tokens
    context: int = 512  # tokens per row while the rate is level
    decay_context: int = 2048  # and while it falls
    batch_tokens: int = 2048  # per step, at first
    max_batch_tokens: int = 2**19  # at most
    grow_after: int = 1_000_000  # tokens until the batch doubles, each time four times as many as before
    micro_tokens: int = 4096  # per forward and backward pass
    warmup: int = 80_000  # tokens
    z_loss: float = 1e-4  # times the mean square of log Z is added to the loss
    average: float = 0.1  # tokens that the weights' average remembers, as a share of those seen
    is_masked: bool = True  # whether attention stays within a document
    eval_every: int = 2_000_000  # tokens
    save_seconds: float = 45.0  # between checkpoints
    report_seconds: float = 5.0  # between lines of progress
    optim: OptimConfig = field(default_factory=OptimConfig)

    def __post_init__(self) -> None:
        for name in ("context", "decay_context"):
            for size in ("batch_tokens", "micro_tokens"):
                if getattr(self, size) % getattr(self, name) and getattr(self, name) % getattr(self, size):
                    raise SetupError(
                        f"{name}={getattr(self, name)} and {size}={getattr(self, size)} do not divide each other; "
                        "use powers of two"
                    )

    @property
    def settings(self) -> dict[str, Any]:
        """What a resumed run must share with the first part. The length may change while the rate is level."""
        return asdict(self) | {"num_tokens": None, "eval_every": None, "save_seconds": None, "report_seconds": None}

    def batch_at(self, num_seen: int) -> int:
        """Tokens of the step that begins after `num_seen`."""
        batch, limit = self.batch_tokens, self.grow_after
        while num_seen >= limit and batch < self.max_batch_tokens:
            batch, limit = batch * 2, limit * 4
        return batch


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its tokens are `num_tokens` from `start` on in the file of `phase`."""

    phase: Phase
    start: int
    num_tokens: int
    rate: float  # what learning rates are multiplied by

    @property
    def end(self) -> int:
        return self.start + self.num_tokens


def plan_steps(config: TrainConfig) -> list[Step]:
    """All steps of a run; at least one of each phase."""
    num_stable = round(config.num_tokens * (1 - config.decay_share))
    stable: list[Step] = []
    seen = 0
    while not stable or num_stable - seen >= (batch := config.batch_at(seen)) / 2:
        batch = config.batch_at(seen)
        stable.append(Step("stable", seen, batch, min(1.0, (seen + batch) / max(1, config.warmup))))
        seen += batch
    batch = config.batch_at(seen)
    num_decay = max(1, round((config.num_tokens - seen) / batch))
    top = stable[-1].rate
    decay = [Step("decay", index * batch, batch, top * (1 - index / num_decay)) for index in range(num_decay)]
    return stable + decay


def phase_tokens(steps: list[Step]) -> dict[Phase, int]:
    """Tokens that each phase needs; one more than its steps have, since targets are shifted by one."""
    ends: dict[Phase, int] = {}
    for step in steps:
        ends[step.phase] = step.end + 1
    return ends

"""What a model on another device computes stays there. `meta`, which computes shapes only, stands in for a GPU: it
refuses operands from elsewhere and questions about values, as the capture of a CUDA graph does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from owngpt.engine.batch import ForwardBatch
from owngpt.engine.runner import TorchRunner
from owngpt.engine.scheduler import Chunk
from owngpt.model.weights import load_model
from tests.engine.decoding import BLOCK_SIZE, DENSE, requests_of, sinking_model
from tests.fakes.model import family_checkpoint

META = torch.device("meta")


class HostOperations(TorchDispatchMode):
    """Notes whatever touches more than a single number in the host's memory."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [x for x in (*args, result) if isinstance(x, Tensor)]
        if any(tensor.device.type == "cpu" and tensor.dim() for tensor in tensors):
            self.names.append(str(func))
        return result


def batch_of(*counts: int) -> ForwardBatch:
    """So many new tokens of each sequence, of which 9 are known to the cache."""
    requests = requests_of([9] * len(counts), max(counts))
    chunks = [Chunk(r, 9, 9 + count, is_last=True) for r, count in zip(requests, counts, strict=True)]
    return ForwardBatch.build(chunks, BLOCK_SIZE)


@pytest.mark.parametrize("family", DENSE)
def test_every_dense_family(family: str, tmp_path: Path) -> None:
    check(TorchRunner(load_model(family_checkpoint(family, tmp_path), device="meta"), 60, BLOCK_SIZE, has_graphs=True))


def test_attention_sinks() -> None:
    check(TorchRunner(sinking_model().to(META), 60, BLOCK_SIZE, has_graphs=True))


def check(runner: TorchRunner) -> None:
    """Plain steps, steps that are captured, and what else a runner does."""
    size = runner.config.hidden_size
    for counts in ((4, 1, 1), (1, 1, 1)):
        batch = batch_of(*counts)
        hidden_TE = runner.forward(batch)
        assert (hidden_TE.device, hidden_TE.shape) == (META, (sum(counts), size))
        logits_NV = runner.logits(hidden_TE[batch.logit_rows_N])
        assert (logits_NV.device, logits_NV.shape) == (META, (3, runner.config.vocab_size))
    assert runner.decoder is not None
    (step,) = runner.decoder._steps.values()
    assert host_operations(step.run) == []
    runner.clear([1, 2])
    runner.write_block(3, torch.zeros(runner.block_bytes, dtype=torch.uint8))
    assert "meta" in runner.numerics


def host_operations(run: Callable[[], Tensor]) -> list[str]:
    with torch.no_grad(), HostOperations() as found:  # inference mode would hide what operations are made of
        run()
    return found.names


def test_the_host_would_be_noticed() -> None:
    assert host_operations(lambda: torch.ones(3).to(META)) == ["aten.ones.default", "aten._to_copy.default"]
    assert host_operations(lambda: torch.ones(3, device=META) * torch.tensor(2.0)) == []

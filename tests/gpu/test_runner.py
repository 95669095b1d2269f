"""Runners on a GPU: captured steps equal plain ones, and those of a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from owngpt.engine.batch import ForwardBatch
from owngpt.engine.runner import TorchRunner
from owngpt.engine.scheduler import Chunk
from owngpt.model.weights import load_model
from tests.engine.decoding import BLOCK_SIZE, DENSE, assert_as_plain, forward, requests_of, runners, sinking_model
from tests.fakes.model import family_checkpoint, tiny_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.mark.parametrize("family", DENSE)
def test_graphs_equal_plain_steps(family: str, tmp_path: Path) -> None:
    plain, static = runners(load_model(family_checkpoint(family, tmp_path), "fp32", device="cuda"))
    assert_as_plain(plain, static)


@pytest.mark.parametrize("family", DENSE)
def test_graphs_equal_a_cpu(family: str, tmp_path: Path) -> None:
    folder = family_checkpoint(family, tmp_path)
    plain, _ = runners(load_model(folder, "fp32"))
    _, static = runners(load_model(folder, "fp32", device="cuda"))
    assert_as_plain(plain, static)


def test_attention_sinks() -> None:
    assert_as_plain(*runners(sinking_model().to("cuda")))


@pytest.mark.parametrize("lengths", [(5,), (5, 9), (1, 2, 3), (3,) * 9])
def test_any_number_of_sequences_in_bf16(lengths: tuple[int, ...]) -> None:
    """Two ways to add up in bf16 differ in their last bits, so the tolerance is another."""
    assert_as_plain(*runners(tiny_model().to("cuda", torch.bfloat16)), lengths, tolerance=5e-2)


def test_graphs_are_what_a_gpu_does_by_itself() -> None:
    runner = TorchRunner(tiny_model().to("cuda"), 60, BLOCK_SIZE)
    assert runner.decoder is not None
    assert torch.cuda.get_device_name() in runner.numerics
    assert TorchRunner(tiny_model(), 60, BLOCK_SIZE).decoder is None


def test_hidden_states_outlive_the_next_step() -> None:
    """A graph writes them to the same place each time."""
    runner = TorchRunner(tiny_model().to("cuda"), 60, BLOCK_SIZE)
    (request,) = requests_of((8,), num_tokens=2)
    forward(runner, [(request, 0, 8)])
    hidden = runner.forward(ForwardBatch.build([Chunk(request, 8, 9, is_last=True)], BLOCK_SIZE))
    kept = hidden.clone()
    forward(runner, [(request, 9, 10)])
    assert torch.equal(hidden, kept)


def test_a_block_that_is_put_back_elsewhere_serves_as_before() -> None:
    runner = TorchRunner(tiny_model().to("cuda"), 60, BLOCK_SIZE)
    (request,) = requests_of((8,), num_tokens=1)
    forward(runner, [(request, 0, 8)])
    expected = forward(runner, [(request, 8, 9)])
    first = request.block_table[0]
    elsewhere = next(block for block in range(60) if block not in request.block_table)
    taken = runner.read_block(first)
    assert (taken.device.type, len(taken)) == ("cpu", runner.block_bytes)
    runner.clear([first])
    assert not runner.read_block(first).any()
    runner.write_block(elsewhere, taken)
    request.block_table[0] = elsewhere
    torch.testing.assert_close(forward(runner, [(request, 8, 9)]), expected)

"""What a runner promises beside its numbers: the memory of a block can be taken out and put back."""

import torch

from owngpt.engine.batch import ForwardBatch
from owngpt.engine.request import Request
from owngpt.engine.runner import ModelRunner, make_runner
from owngpt.engine.scheduler import Chunk
from owngpt.types import SamplingParams
from tests.fakes.model import tiny_model


def _request(block_table: list[int]) -> Request:
    request = Request(list(range(1, 9)), 8, 100, SamplingParams())
    request.block_table = block_table
    return request


def _hidden(runner: ModelRunner, request: Request, start: int, end: int) -> torch.Tensor:
    return runner.forward(ForwardBatch.build([Chunk(request, start, end, end == 8)], block_size=4))


def test_a_block_that_is_put_back_elsewhere_serves_as_before() -> None:
    runner = make_runner(tiny_model(), num_blocks=4, block_size=4)
    request = _request([0, 1])
    whole = _hidden(runner, request, 0, 8)
    taken = runner.read_block(0)
    assert taken.dtype == torch.uint8
    assert len(taken) == runner.block_bytes
    runner.clear([0])
    runner.write_block(3, taken)
    request.block_table = [3, 2]
    torch.testing.assert_close(_hidden(runner, request, 4, 8), whole[4:])


def test_what_is_taken_out_is_a_copy() -> None:
    runner = make_runner(tiny_model(), num_blocks=2, block_size=4)
    _hidden(runner, _request([0, 1]), 0, 8)
    taken = runner.read_block(0)
    before = taken.clone()
    runner.clear([0])
    assert torch.equal(taken, before)
    assert not runner.read_block(0).any()
